"""What happens in a network during one forward pass: who is called with what, who uses it."""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import FlopCounterMode

from skinseg.complexity.evaluation_mode import evaluation_mode


@dataclasses.dataclass(frozen=True)
class Value:
    """A tensor at one moment. A module that returns its input gives it a new number.

    Attributes:
        number: Equal for the same value only.
        shape: The tensor's.
    """

    number: int
    shape: tuple[int, ...]


@dataclasses.dataclass
class Use:
    """Something that takes a value and, perhaps, gives another: a module or a function.

    Attributes:
        name: The module's name, or the function's.
        module: None for a function.
        args: The arguments, with a :class:`Value` in place of each tensor.
        kwargs: As ``args``.
        output: As ``args``.
    """

    name: str
    module: nn.Module | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Any = None

    def inputs(self) -> list[Value]:
        """All values that it takes."""
        return [v for v in tree_leaves((self.args, self.kwargs)) if isinstance(v, Value)]


@dataclasses.dataclass
class Trace:
    """A forward pass in evaluation mode.

    Attributes:
        names: Names of all modules of the network but itself.
        calls: Calls of modules by name, in the order in which the first of each ended.
        uses: By number of the value, the childless modules and the functions between modules that
            take it. The network's output counts as a use.
        output: What the network returned.
        macs: Multiply-accumulates, as torch counts them.
    """

    names: dict[str, nn.Module]
    calls: dict[str, list[Use]]
    uses: dict[int, list[Use]]
    output: Any
    macs: int


def trace(model: nn.Module, inputs: Sequence[Any]) -> Trace:
    """Run ``model(*inputs)`` in evaluation mode, without gradients, and record it."""
    names = {name: module for name, module in model.named_modules() if name}
    recorder = _Recorder()
    handles = []
    for name, module in names.items():
        handles += [
            module.register_forward_pre_hook(recorder.enter(name), with_kwargs=True),
            module.register_forward_hook(recorder.leave),
        ]
    flops = FlopCounterMode(display=False)
    try:
        with evaluation_mode(model), flops, recorder:
            output = recorder.values(model(*inputs))
    finally:
        for handle in handles:
            handle.remove()
    for value in tree_leaves(output):
        if isinstance(value, Value):
            recorder.uses[value.number].append(Use("the output", None, (value,), {}))
    return Trace(names, recorder.calls, recorder.uses, output, flops.get_total_flops() // 2)


class _Recorder(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, list[Use]] = defaultdict(list)
        self.uses: dict[int, list[Use]] = defaultdict(list)
        self._open: list[Use] = []
        self._count = 0
        # Tensors are kept, as the id of one that is gone may be another's.
        self._numbers: dict[int, tuple[torch.Tensor, int]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        # What happens inside of a childless module is that module's.
        if self._open and _childless(self._open[-1]):
            return func(*args, **kwargs)
        use = Use(getattr(func, "__name__", str(func)), None, *self.values((args, kwargs)))
        output = func(*args, **kwargs)
        # Not a use: a question for the shape, or for anything else that is not a tensor.
        if any(isinstance(leaf, torch.Tensor) for leaf in tree_leaves(output)):
            self._used(use, output)
        return output

    def enter(self, name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._open.append(Use(name, module, *self.values((args, kwargs))))

        return hook

    def leave(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        use = self._open.pop()
        if _childless(use):
            self._used(use, output)
        else:
            use.output = self.values(output)
        self.calls[use.name].append(use)

    def values(self, tree: Any) -> Any:
        """The same with each tensor replaced by its value."""
        return tree_map(lambda x: self._value(x) if isinstance(x, torch.Tensor) else x, tree)

    def _used(self, use: Use, output: Any) -> None:
        for value in use.inputs():
            self.uses[value.number].append(use)
        for leaf in tree_leaves(output):
            if isinstance(leaf, torch.Tensor):
                self._renew(leaf)
        use.output = self.values(output)

    def _value(self, tensor: torch.Tensor) -> Value:
        if id(tensor) not in self._numbers:
            self._renew(tensor)
        return Value(self._numbers[id(tensor)][1], tuple(tensor.shape))

    def _renew(self, tensor: torch.Tensor) -> None:
        self._count += 1
        self._numbers[id(tensor)] = (tensor, self._count)


def _childless(use: Use) -> bool:
    return use.module is not None and next(use.module.children(), None) is None
