"""The time that a network would take if arithmetic or memory alone counted."""

import statistics
import time
from collections.abc import Callable

import torch

import skinseg
from skinseg.models import CATALOG
from skinseg.optimization import derive

_SIDE, _COPIED = 1024, 2**26


def machine_peaks() -> dict[str, float]:
    """Measure one thread's multiply-accumulates and copied bytes per second, in billions.

    Of a matrix product and a convolution the faster counts: which library has the better kernels
    differs with the processor.
    """
    a, b = torch.rand(_SIDE, _SIDE), torch.rand(_SIDE, _SIDE)
    product = torch.empty(_SIDE, _SIDE)
    channels, side = 256, 32
    x = torch.rand(1, channels, side, side).contiguous(memory_format=torch.channels_last)
    conv = torch.nn.Conv2d(channels, channels, 3, padding=1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    source, target = torch.rand(_COPIED // 4), torch.empty(_COPIED // 4)
    with torch.inference_mode():
        multiplying = _seconds(lambda: torch.mm(a, b, out=product))
        convolving = _seconds(lambda: conv(x))
        copying = _seconds(lambda: target.copy_(source))
    macs = max(_SIDE**3 / multiplying, 9 * (channels * side) ** 2 / convolving)
    return {
        "gmacs_per_second": macs / 1e9,
        # A copy reads and writes.
        "gbytes_per_second": 2 * _COPIED / copying / 1e9,
    }


def limit(name: str, size: int, peaks: dict[str, float]) -> dict[str, float]:
    """Return the milliseconds of a network's arithmetic and of its maps, each alone."""
    macs = int(CATALOG[name]["macs"]) * (size / 256) ** 2
    graph = derive(skinseg.create_model(name).eval(), (size, size)).graph
    # Shapes are those of any batch; one image is what is asked.
    values = sum(
        torch.Size(int(side) for side in node.meta["val"].shape[1:]).numel()
        for node in graph.nodes
        if node.op == "call_function" and isinstance(node.meta.get("val"), torch.Tensor)
        if node.meta["val"].ndim == 4
    )
    return {
        "arithmetic_ms": macs / peaks["gmacs_per_second"] / 1e6,
        "memory_ms": 2 * 4 * values / peaks["gbytes_per_second"] / 1e6,
    }


def _seconds(call: Callable[[], object], rounds: int = 15) -> float:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times[2:])
