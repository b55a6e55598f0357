"""What happens in a network during one forward pass: who is called with what, who uses it."""

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import FlopCounterMode

from skinseg.complexity.evaluation_mode import evaluation_mode

# Functions that give no tensor and yet read a tensor's numbers, or write them.
_READERS = {"__setitem__", "__bool__", "__array__", "__contains__", "allclose", "equal"}
_READERS |= {"is_nonzero", "item", "numpy", "tolist"}


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
        kept: Numbers of the values that modules of the network have as attributes afterwards.
        hooked: Names of the modules with hooks that are not torch's own (as weight_norm's are).
        output: What the network returned.
        macs: Multiply-accumulates, as torch counts them.
        macs_of: The same, of each module by name.
        parameters: The ``id`` of each parameter that took part, the network's own or not.
    """

    names: dict[str, nn.Module]
    calls: dict[str, list[Use]]
    uses: dict[int, list[Use]]
    kept: set[int]
    hooked: set[str]
    output: Any
    macs: int
    macs_of: dict[str, int]
    parameters: set[int]


def trace(
    model: nn.Module, inputs: Sequence[Any], keywords: Mapping[str, Any] | None = None
) -> Trace:
    """Run ``model(*inputs, **keywords)`` in evaluation mode, without gradients, and record it."""
    names = {name: module for name, module in model.named_modules() if name}
    hooked = {name for name, module in names.items() if _has_hooks(module)}
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
            output = recorder.values(model(*inputs, **(keywords or {})))
    finally:
        for handle in handles:
            handle.remove()
    for value in tree_leaves(output):
        if isinstance(value, Value):
            recorder.uses[value.number].append(Use("the output", None, (value,), {}))
    return Trace(
        names=names,
        calls=recorder.calls,
        uses=recorder.uses,
        kept=recorder.kept_by(model),
        hooked=hooked,
        output=output,
        macs=flops.get_total_flops() // 2,
        macs_of=_macs_of(flops),
        parameters=recorder.parameters,
    )


def _macs_of(flops: FlopCounterMode) -> dict[str, int]:
    # torch names a module by the network's type and its path.
    counts = {path.partition(".")[2]: ops for path, ops in flops.get_flop_counts().items()}
    return {name: sum(ops.values()) // 2 for name, ops in counts.items() if name}


def tensors(tree: Any) -> list[torch.Tensor]:
    """All tensors in nested containers, in order, those that torch does not know included."""
    found: list[torch.Tensor] = []
    waiting, seen = [tree], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif (parts := _parts(value)) and id(value) not in seen:
            seen.add(id(value))
            waiting.extend(reversed(parts))
    return found


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple, set)):
        return list(value)
    return list(vars(value).values()) if _is_record(value) else []


def _is_record(value: Any) -> bool:
    known = isinstance(value, (type, Value, nn.Module))
    return dataclasses.is_dataclass(value) and not known and hasattr(value, "__dict__")


def opened(tree: Any) -> Any:
    """Nested containers as those that torch knows: dataclasses and mappings as dictionaries."""

    def leaf(value: Any) -> Any:
        if isinstance(value, Mapping):
            return opened(dict(value))
        if isinstance(value, (list, tuple)):
            return opened(list(value))
        return opened(dict(vars(value))) if _is_record(value) else value

    return tree_map(leaf, tree)


class _Recorder(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, list[Use]] = defaultdict(list)
        self.uses: dict[int, list[Use]] = defaultdict(list)
        self.parameters: set[int] = set()
        self._open: list[Use] = []
        self._count = 0
        # Tensors are kept, as the id of one that is gone may be another's.
        self._numbers: dict[int, tuple[torch.Tensor, int]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        leaves = tree_leaves((args, kwargs))
        self.parameters.update(id(leaf) for leaf in leaves if isinstance(leaf, nn.Parameter))
        # What happens inside of a childless module is that module's.
        if self._open and _childless(self._open[-1]):
            return func(*args, **kwargs)
        use = Use(getattr(func, "__name__", str(func)), None, *self.values((args, kwargs)))
        output = func(*args, **kwargs)
        # Not a use: a question for the shape, or for anything else that is not a tensor.
        if use.name in _READERS or tensors(output):
            self._used(use, args[0] if use.name == "__setitem__" else output)
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
        opened_tree = opened(tree)
        return tree_map(lambda x: self._value(x) if isinstance(x, torch.Tensor) else x, opened_tree)

    def kept_by(self, model: nn.Module) -> set[int]:
        """The numbers of values that the network's modules have as attributes."""
        held = [tensor for module in model.modules() for tensor in tensors(vars(module))]
        return {self._numbers[id(tensor)][1] for tensor in held if id(tensor) in self._numbers}

    def _used(self, use: Use, output: Any) -> None:
        for value in use.inputs():
            self.uses[value.number].append(use)
        for tensor in tensors(output):
            self._renew(tensor)
        use.output = self.values(output)

    def _value(self, tensor: torch.Tensor) -> Value:
        if id(tensor) not in self._numbers:
            self._renew(tensor)
        return Value(self._numbers[id(tensor)][1], tuple(tensor.shape))

    def _renew(self, tensor: torch.Tensor) -> None:
        self._count += 1
        self._numbers[id(tensor)] = (tensor, self._count)


def _childless(use: Use) -> bool:
    return use.module is not None and childless(use.module)


def childless(module: nn.Module) -> bool:
    """Whether a module has no parts, but for what computes its own weights."""
    return all(name == "parametrizations" for name, _ in module.named_children())


def _has_hooks(module: nn.Module) -> bool:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    hooks = [hook for kind in kinds for hook in getattr(module, kind).values()]
    return any(not type(hook).__module__.startswith("torch.nn.utils") for hook in hooks)
