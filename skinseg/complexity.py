"""What a network costs: parameters, multiply-accumulates by named counters, memory, time.

Papers print "parameters" and "FLOPs" without saying how they were counted. Every figure here
carries the name of its counter.
"""

import copy
import dataclasses
import io
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

_CONVOLUTIONS = (nn.modules.conv._ConvNd,)
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)


@dataclasses.dataclass(frozen=True)
class Parameters:
    """How many parameters a network has, by kind.

    Attributes:
        total: All of them.
        trainable: Those that require a gradient.
        convolution: Weights and biases of convolutions, transposed ones included.
        linear: Weights and biases of fully connected layers.
        normalization: Weights and biases of batch, group, instance and layer normalisation.
        bare: Tensors that a module of one's own holds directly, which some counters overlook.
        other: Those of other layers of torch.
    """

    total: int
    trainable: int
    convolution: int
    linear: int
    normalization: int
    bare: int
    other: int


@dataclasses.dataclass(frozen=True)
class BlockCost:
    """What one module costs in a forward pass, its children included.

    Attributes:
        name: Path of the module in the network.
        kind: Its class.
        parameters: Its parameters.
        macs: Multiply-accumulates, counter ``torch``.
        milliseconds: Measured wall time, the median of several passes.
    """

    name: str
    kind: str
    parameters: int
    macs: int
    milliseconds: float


@dataclasses.dataclass(frozen=True)
class Complexity:
    """What a network costs for one image.

    Attributes:
        input_size: (C, H, W).
        parameters: By kind.
        macs: Multiply-accumulates by the name of the counter, see :data:`COUNTERS`.
        peak_activation_bytes: Largest sum of the sizes of tensors that live at one time in a
            forward pass without gradients, the input included, weights and the scratch memory
            inside an operator not.
        blocks: Cost of each block, in the order of the network's modules.
    """

    input_size: tuple[int, int, int]
    parameters: Parameters
    macs: dict[str, int]
    peak_activation_bytes: int
    blocks: list[BlockCost]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON data."""
        return dataclasses.asdict(self)


def count_parameters(model: nn.Module) -> Parameters:
    """Count a network's parameters by kind; a shared one counts once.

    Example:
        >>> count_parameters(nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(4, 8)))
        ... # doctest: +NORMALIZE_WHITESPACE
        Parameters(total=240, trainable=240, convolution=224, linear=0, normalization=16,
                   bare=0, other=0)
    """
    kinds = dict.fromkeys(("convolution", "linear", "normalization", "bare", "other"), 0)
    seen: set[nn.Parameter] = set()
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if parameter not in seen:
                seen.add(parameter)
                kinds[_kind(module)] += parameter.numel()
    trainable = sum(p.numel() for p in seen if p.requires_grad)
    return Parameters(total=sum(kinds.values()), trainable=trainable, **kinds)


def _kind(module: nn.Module) -> str:
    if isinstance(module, _CONVOLUTIONS):
        return "convolution"
    if isinstance(module, nn.Linear):
        return "linear"
    if isinstance(module, _NORMS):
        return "normalization"
    return "other" if type(module).__module__.startswith("torch.") else "bare"


def model_complexity(
    model: nn.Module,
    input_size: Sequence[int] = (3, 256, 256),
    *,
    counters: Sequence[str] | None = None,
    depth: int = 3,
    repeats: int = 5,
) -> Complexity:
    """Measure what any torch module that takes one image batch costs.

    The module is measured in evaluation mode, without gradients, where it lies; a copy is given
    to counters that change what they count.

    Args:
        model: The module; ``forward`` takes (1, C, H, W).
        input_size: (C, H, W).
        counters: Names in :data:`COUNTERS`; by default those whose package is installed.
        depth: How many levels of modules the breakdown goes down; an attention block of this
            package is told as a whole.
        repeats: Timed passes; 0 leaves the times at 0.

    Returns:
        The costs for one image.

    Raises:
        ValueError: If a counter is unknown or the size has not three numbers.
        ImportError: If a named counter's package is not installed.

    Example:
        >>> cost = model_complexity(nn.Conv2d(3, 8, 3, padding=1), (3, 16, 16))
        >>> cost.macs["torch"] == 3 * 8 * 3 * 3 * 16 * 16
        True
    """
    if len(input_size) != 3:
        raise ValueError(f"input_size must be (C, H, W), not {tuple(input_size)}")
    for name in counters or ():
        if name not in COUNTERS:
            raise ValueError(f"there is no counter {name!r}; there are: {', '.join(COUNTERS)}")
    weight = next(model.parameters(), torch.empty(0))
    x = torch.rand(1, *input_size, device=weight.device, dtype=weight.dtype)
    with _evaluation(model):
        macs = {}
        for name in counters or COUNTERS:
            try:
                macs[name] = COUNTERS[name](model, x)
            except ModuleNotFoundError as error:
                if counters:
                    raise ImportError(
                        f"the counter {name!r} needs {error.name}: pip install {error.name}"
                    ) from error
        return Complexity(
            input_size=tuple(input_size),
            parameters=count_parameters(model),
            macs=macs,
            peak_activation_bytes=_peak_activation(model, x),
            blocks=_block_costs(model, x, depth, repeats),
        )


@contextmanager
def _evaluation(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training


def _torch_flops(model: nn.Module, x: torch.Tensor) -> Mapping[str, Mapping[Any, int]]:
    """Operations by module name, as torch counts them: two a multiply-accumulate."""
    counter = FlopCounterMode(display=False)
    with counter:
        model(x)
    return counter.get_flop_counts()


def _torch_macs(model: nn.Module, x: torch.Tensor) -> int:
    return sum(_torch_flops(model, x)["Global"].values()) // 2


def _thop(model: nn.Module, x: torch.Tensor) -> tuple[float, float]:
    """Multiply-accumulates and parameters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "distutils", DeprecationWarning)
        from thop import profile

        return profile(copy.deepcopy(model), (x,), verbose=False)


def _thop_macs(model: nn.Module, x: torch.Tensor) -> int:
    return int(_thop(model, x)[0])


def thop_parameters(model: nn.Module, input_size: Sequence[int] = (3, 256, 256)) -> int:
    """Count parameters as thop does: without GroupNorm's, and without bare tensors.

    Raises:
        ModuleNotFoundError: If thop is not installed.
    """
    with _evaluation(model):
        return int(_thop(model, torch.rand(1, *input_size))[1])


def _ptflops_macs(backend: str) -> Callable[[nn.Module, torch.Tensor], int]:
    def count(model: nn.Module, x: torch.Tensor) -> int:
        from ptflops import get_model_complexity_info

        with redirect_stdout(io.StringIO()):
            macs, _ = get_model_complexity_info(
                copy.deepcopy(model),
                tuple(x.shape[1:]),
                as_strings=False,
                print_per_layer_stat=False,
                backend=backend,
                input_constructor=lambda _: x,
            )
        return int(macs)

    return count


COUNTERS: dict[str, Callable[[nn.Module, torch.Tensor], int]] = {
    "torch": _torch_macs,
    "thop": _thop_macs,
    "ptflops-pytorch": _ptflops_macs("pytorch"),
    "ptflops-aten": _ptflops_macs("aten"),
}
"""Counters of multiply-accumulates.

``torch``: matrix products and convolutions, from torch's own ``FlopCounterMode``, halved.
``thop``: what the papers used: also BatchNorm, not GroupNorm; a 2x2 transposed convolution of
stride 2 four times too high. ``ptflops-pytorch``: also normalisation, activations, pooling and
interpolation, by module; ``ptflops-aten``: the same by operator.
"""


class _LiveMemory(TorchDispatchMode):
    """Follows the storages that operators return, and the largest sum of those alive."""

    def __init__(self, x: torch.Tensor, ignored: set[int]) -> None:
        super().__init__()
        self.peak = 0
        self._ignored = ignored
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self._add(x)

    def _add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._ignored:
            self._alive[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._add(tensor)
        self._alive = {k: (ref, n) for k, (ref, n) in self._alive.items() if not ref.expired()}
        self.peak = max(self.peak, sum(size for _, size in self._alive.values()))
        return result


def _peak_activation(model: nn.Module, x: torch.Tensor) -> int:
    weights = {tensor.untyped_storage()._cdata for tensor in model.state_dict().values()}
    with _LiveMemory(x, ignored=weights) as memory:
        model(x)
    return memory.peak


def _block_costs(model: nn.Module, x: torch.Tensor, depth: int, repeats: int) -> list[BlockCost]:
    flops = _torch_flops(model, x)
    blocks = dict(_blocks(model, "", depth))
    times = _times(model, blocks, x, repeats)
    root = type(model).__name__
    return [
        BlockCost(
            name=name,
            kind=type(module).__name__,
            parameters=sum(p.numel() for p in module.parameters()),
            macs=sum(flops.get(f"{root}.{name}", {}).values()) // 2,
            milliseconds=times[name],
        )
        for name, module in blocks.items()
    ]


def _blocks(module: nn.Module, path: str, depth: int) -> Iterator[tuple[str, nn.Module]]:
    """Modules worth a line: direct children, and below them those that are not torch's layers."""
    for name, child in module.named_children():
        place = f"{path}.{name}" if path else name
        if isinstance(child, _CONTAINERS):
            yield from _blocks(child, place, depth)
        elif any(True for _ in child.parameters()):
            of_torch = type(child).__module__.startswith("torch.")
            if not of_torch or "." not in path:
                yield place, child
            # An attention block is told as a whole.
            if depth > 1 and not type(child).__module__.startswith("skinseg.blocks."):
                yield from _blocks(child, place, depth - 1)


def _times(
    model: nn.Module, blocks: Mapping[str, nn.Module], x: torch.Tensor, repeats: int
) -> dict[str, float]:
    """Median milliseconds of each block over ``repeats`` passes, after one to warm up."""
    spent: dict[str, list[float]] = {name: [0.0] for name in blocks}
    started: dict[str, float] = {}

    def clock() -> float:
        if x.is_cuda:
            torch.cuda.synchronize(x.device)
        return time.perf_counter()

    def before(name: str) -> Callable[..., None]:
        return lambda *_: started.__setitem__(name, clock())

    def after(name: str) -> Callable[..., None]:
        return lambda *_: spent[name].__setitem__(
            -1, spent[name][-1] + 1000 * (clock() - started[name])
        )

    hooks = []
    for name, module in blocks.items():
        hooks += [module.register_forward_pre_hook(before(name))]
        hooks += [module.register_forward_hook(after(name))]
    try:
        for turn in range(repeats + 1 if repeats else 0):
            model(x)
            for times in spent.values():
                if turn == 0:
                    times[-1] = 0.0
                elif turn < repeats:
                    times.append(0.0)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: round(statistics.median(times), 3) for name, times in spent.items()}
