"""A network under surgery: the copy, the swap, the check, and the way back."""

from typing import Any

from torch import nn

from skinseg.complexity.parameters import count_parameters
from skinseg.surgery.check import check_training, copied
from skinseg.surgery.example import Example
from skinseg.surgery.fit import SurgeryError, shapes, told
from skinseg.surgery.placing import Undo
from skinseg.surgery.recipe import Step, remember, steps_of
from skinseg.surgery.refuse import refuse_unfit
from skinseg.surgery.report import Change, Refusal, SurgeryReport
from skinseg.surgery.trace import Trace


class Operation:
    """A network on the table. Leaving the ``with`` by an exception undoes what was done."""

    def __init__(
        self, model: nn.Module, example: Example, *, inplace: bool, check: bool, copy: bool = True
    ) -> None:
        """Run a network as it is.

        Args:
            model: The network.
            example: What to run it with.
            inplace: Whether it is operated on itself.
            check: Whether it is also run at a larger size, and the result checked.
            copy: Whether an untouched copy is kept to compare with, where one is needed.
        """
        refuse_unfit(model)
        self.example = example
        self.model = model if inplace else copied(model)
        self.untouched = copied(model) if inplace and check and copy else model
        self.checks = check
        try:
            self.before = example.trace(self.model)
        except Exception as error:
            raise SurgeryError(
                f"the network fails with the example: {told(error)}. A sequence stands for several "
                "arguments, so that a list that is one argument goes into another: ([image],); "
                "keyword arguments go into example_kwargs"
            ) from error
        if not inplace and self.before.parameters & {id(p) for p in model.parameters()}:
            raise SurgeryError(
                "the copy of the network uses weights of the original, through a function that "
                "closes over a module of it; inplace=True operates on the network itself"
            )
        self.larger = _larger(self.model, self.before, example) if check else None
        self.parameters_before = count_parameters(self.model).total
        self.blocks: list[tuple[str, nn.Module]] = []
        self.steps: list[Step] = []
        self.undo: list[Undo] = []

    @property
    def traces(self) -> list[Trace]:
        """The recorded forward passes of the network as it was, one per size."""
        return [self.before] if self.larger is None else [self.before, self.larger]

    def __enter__(self) -> "Operation":
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if error is not None:
            for back in reversed(self.undo):
                back()

    def report(self, changes: list[Change], refused: list[Refusal]) -> SurgeryReport:
        """Check that the network still gives what it gave, and tell what was done.

        Raises:
            SurgeryError: If it does not.
        """
        after = self._traced(self.example)
        self._check(self.before, after)
        notes = self._check_as_used() if self.checks else ["not checked: check=False"]
        remember(self.model, self.steps)
        return SurgeryReport(
            model=self.model,
            changes=tuple(changes),
            refused=tuple(refused),
            notes=tuple(notes),
            steps=steps_of(self.model),
            input_shape=self.example.shape,
            parameters_before=self.parameters_before,
            parameters_after=count_parameters(self.model).total,
            macs_before=self.before.macs,
            macs_after=after.macs,
        )

    def _traced(self, example: Example) -> Trace:
        try:
            return example.trace(self.model)
        except Exception as error:
            raise SurgeryError(
                f"with the blocks the network fails at {example.shape}: {told(error)}. Its own "
                "code may use more of a module that was replaced than calling it; select a module "
                "further out or in"
            ) from error

    def _check(self, before: Trace, after: Trace) -> None:
        expected, now = shapes(before.output), shapes(after.output)
        if expected != now:
            raise SurgeryError(f"the network's output changed from {expected} to {now}")
        called = {id(after.names[name]) for name in after.calls}
        for place, block in self.blocks:
            if id(block) not in called:
                raise SurgeryError(
                    f"the block at {place} is not reached: the network's own code calls a part of "
                    "this module, or another method of it; select the module that it calls"
                )

    def _check_as_used(self) -> list[str]:
        """Try the network at the larger size and in training; return what could not be tried."""
        notes = []
        if self.larger is None:
            notes.append("not checked at a second size: the network takes this one only")
        else:
            self._check(self.larger, self._traced(self.example.larger()))
        note = check_training(self.model, self.untouched, self.example, self.blocks)
        return notes if note is None else [*notes, note]


def _larger(model: nn.Module, before: Trace, example: Example) -> Trace | None:
    """The pass at a second size; None where the network takes only the first."""
    try:
        larger = example.larger().trace(model)
    except Exception:
        return None
    # One that takes another path at another size cannot be compared.
    return larger if _counts(larger) == _counts(before) else None


def _counts(trace: Trace) -> dict[str, int]:
    return {name: len(calls) for name, calls in trace.calls.items()}
