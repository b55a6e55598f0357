"""What each block of a network costs."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import nn

from skinseg.complexity.counters import torch_flops
from skinseg.complexity.parameters import count_parameters

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


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


def block_costs(model: nn.Module, x: torch.Tensor, depth: int, repeats: int) -> list[BlockCost]:
    """Cost of the modules that :func:`skinseg.complexity.model_complexity` tells of."""
    flops = torch_flops(model, x)
    blocks = dict(_blocks(model, "", depth))
    times = _times(model, blocks, x, repeats)
    root = type(model).__name__
    return [
        BlockCost(
            name=name,
            kind=type(module).__name__,
            parameters=count_parameters(module).total,
            macs=sum(flops.get(f"{root}.{name}", {}).values()) // 2,
            milliseconds=times[name],
        )
        for name, module in blocks.items()
    ]


def _blocks(module: nn.Module, path: str, depth: int) -> Iterator[tuple[str, nn.Module]]:
    """Yield direct children, and below them all modules that are not torch's own layers."""
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
