"""A network under surgery: the copy, the swap, the check, and the way back."""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from skinseg.complexity.parameters import count_parameters
from skinseg.surgery.fit import SurgeryError, shapes, told
from skinseg.surgery.report import Change, Refusal, SurgeryReport
from skinseg.surgery.trace import Trace, trace


class Operation:
    """A network on the table. Leaving the ``with`` by an exception undoes what was done."""

    def __init__(self, model: nn.Module, example_input: Any, inplace: bool) -> None:
        _refuse_compiled(model)
        self.model = model if inplace else copy.deepcopy(model)
        self.inputs = tuple(example_input) if _is_sequence(example_input) else (example_input,)
        self.before = trace(self.model, self.inputs)
        self.parameters_before = count_parameters(self.model).total
        self.blocks: list[tuple[str, nn.Module]] = []
        self._undo: list[Callable[[], object]] = []

    def __enter__(self) -> "Operation":
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if error is not None:
            for step in reversed(self._undo):
                step()

    def swap(self, name: str, new: nn.Module) -> None:
        """Put ``new`` in the place of a module, under every name that the module has."""
        old = self.before.names[name]
        for parent in list(self.model.modules()):
            for key, child in parent._modules.items():
                if child is old and parent is not new:
                    parent._modules[key] = new
                    self._undo.append(partial(parent._modules.__setitem__, key, old))

    def append(self, name: str, block: nn.Module) -> None:
        """Put a block at the end of an ``nn.Sequential``, whose other parts keep their names."""
        sequence = self.before.names[name]
        key = f"inserted_{len(sequence._modules)}"
        sequence.add_module(key, block)
        self._undo.append(lambda: sequence._modules.pop(key))

    def report(self, changes: list[Change], refused: list[Refusal]) -> SurgeryReport:
        """Check that the network still gives what it gave, and tell what was done.

        Raises:
            SurgeryError: If it does not.
        """
        try:
            after = trace(self.model, self.inputs)
        except Exception as error:
            raise SurgeryError(
                f"with the blocks the network fails: {told(error)}. Its own code may use more of "
                "a module that was replaced than calling it; select a module further out or in"
            ) from error
        self._check(after)
        return SurgeryReport(
            model=self.model,
            changes=tuple(changes),
            refused=tuple(refused),
            input_shape=tuple(self.inputs[0].shape),
            parameters_before=self.parameters_before,
            parameters_after=count_parameters(self.model).total,
            macs_before=self.before.macs,
            macs_after=after.macs,
        )

    def _check(self, after: Trace) -> None:
        before, now = shapes(self.before.output), shapes(after.output)
        if before != now:
            raise SurgeryError(f"the network's output changed from {before} to {now}")
        called = {id(after.names[name]) for name in after.calls}
        for place, block in self.blocks:
            if id(block) not in called:
                raise SurgeryError(
                    f"the block at {place} is not reached: the network's own code calls a part of "
                    "this module, or another method of it; select the module that it calls"
                )


def _is_sequence(example_input: Any) -> bool:
    return isinstance(example_input, Sequence) and not isinstance(example_input, str)


def _refuse_compiled(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise SurgeryError(f"{name or 'the network'} is TorchScript; operate on its source")
        if hasattr(module, "_orig_mod"):
            raise SurgeryError(
                f"{name or 'the network'} is compiled; operate on what torch.compile was given "
                "(its _orig_mod), and compile the result"
            )
