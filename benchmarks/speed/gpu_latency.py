"""Time of one pass on a GPU: operator by operator, and as a CUDA graph.

    python benchmarks/speed/gpu_latency.py

Writes docs/results/gpu_latency.json and .md.
"""

import copy
import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import skinseg
from benchmarks.provenance import page_fields, provenance
from benchmarks.results import FOLDER, write_result
from benchmarks.speed.latency_page import BASE

NETWORKS = ("malunet", "egeunet", "basic_unet", "lmsaunet", "unext_s", "unet")
SIZE = 256
BATCHES = (1, 8, 32)
DEVICE = torch.device("cuda")
ROUNDS, PASSES = 5, 5
PAGE = """# Latency on a GPU

Written by `benchmarks/speed/gpu_latency.py` from `gpu_latency.json`: {hardware}, PyTorch {torch},
commit {commit}. Milliseconds per batch of {size}x{size} images, medians of {rounds} rounds; in
brackets the ratio to the published form, run operator by operator. Such small networks wait for
the launches of kernels, not for arithmetic: a CUDA graph launches a whole pass at once.
In float16, weights and maps are float16 and channels-last.
"""


def captured(module: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> Callable[[], None]:
    """Return a call that replays a pass over ``x`` as a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            module(x)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        module(x)
    return graph.replay


def ways(network: nn.Module, x: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Return calls of one pass, by the name of the way."""
    half = copy.deepcopy(network).half().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x_half = x.half().contiguous(memory_format=torch.channels_last)
    return {
        BASE: lambda: network(x),
        "CUDA graph": captured(network, x),
        "float16, CUDA graph": captured(half, x_half),
    }


def milliseconds(call: Callable[[], object]) -> float:
    """Return the time of a call on the GPU, the median over rounds."""
    times = []
    for _ in range(1 + ROUNDS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(PASSES):
            call()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) / PASSES)
    return round(statistics.median(times[1:]), 4)


def measure(name: str) -> dict[str, dict[str, float]]:
    """Return the times of all ways, by batch."""
    torch.manual_seed(0)
    network = skinseg.create_model(name).to(DEVICE).eval()
    found = {}
    for batch in BATCHES:
        x = torch.rand(batch, 3, SIZE, SIZE, device=DEVICE)
        found[str(batch)] = {way: milliseconds(call) for way, call in ways(network, x).items()}
    return found


def page(results: dict[str, Any]) -> str:
    """Return the page of the figures."""
    lines = [
        PAGE.format(
            **page_fields(results["provenance"]),
            size=SIZE,
            rounds=ROUNDS,
        )
    ]
    for batch in map(str, BATCHES):
        names = list(next(iter(results["networks"].values()))[batch])
        lines += [
            f"## Batch {batch}",
            "",
            f"| network | {' | '.join(names)} | images per second, best |",
            f"|---|{'---|' * (len(names) + 1)}",
        ]
        for network, batches in results["networks"].items():
            times = batches[batch]
            cells = [f"{times[way]:.2f} ({times[way] / times[BASE]:.2f})" for way in names]
            rate = 1000 * int(batch) / min(times.values())
            lines.append(f"| `{network}` | {' | '.join(cells)} | {rate:,.0f} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    with torch.inference_mode():
        networks = {name: measure(name) for name in NETWORKS}
    results = {"provenance": provenance(), "networks": networks}
    write_result(FOLDER / "gpu_latency", results, page(results))


if __name__ == "__main__":
    main()
