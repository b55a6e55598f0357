"""Time a training step on a GPU, captured as a CUDA graph and plain, and compare the gradients.

    python benchmarks/speed/captured_step.py

The step is that of the recipe `skinseg` without augmentation, on random images; one process has the
GPU alone. It writes docs/results/captured_step.json and .md.
"""

import copy
import statistics
import time
import warnings
from typing import Any

import torch

import skinseg
from benchmarks.provenance import page_fields, provenance
from benchmarks.results import FOLDER, write_result
from skinseg.training import get_recipe
from skinseg.training.distributed import Distributed
from skinseg.training.step import MicroBatch, Step

NETWORKS = ("malunet", "egeunet", "basic_unet", "lmsaunet")
DEVICE = torch.device("cuda")
RATE = 1e-3
ROUNDS, STEPS = 5, 10
PAGE = """# A training step on a GPU

Written by `benchmarks/speed/captured_step.py` from `captured_step.json`: {hardware}, PyTorch
{torch}, commit {commit}. A step of eight images of 128x128 with the recipe `skinseg`, without
augmentation; one process has the GPU alone. The trainer captures the step as a CUDA graph, because
such small networks wait for the launches of kernels rather than for arithmetic. "Apart" is the
largest distance of the gradients of both, relative to their norm, with convolutions in float32, of
batches in one part and in two; times are with PyTorch's default, TF32.

| network | captured, ms | plain, ms | ratio | images per second, captured | apart |
|---|---|---|---|---|---|
{rows}
"""


def parts_of(count: int, size: int, batch_size: int) -> list[MicroBatch]:
    """Return a batch of random images, in micro-batches."""
    chance = torch.Generator().manual_seed(0)
    parts = []
    for _ in range(count):
        x = 255 * torch.rand(batch_size, 3, size, size, generator=chance)
        target = (torch.rand(batch_size, 1, size, size, generator=chance) > 0.5).float()
        parts.append(MicroBatch(x.to(DEVICE), target.to(DEVICE), 1 / count))
    return parts


def steps_of(network: str, accumulate: int) -> tuple[Step, Step]:
    """Return the same network twice: learning as the trainer does, and never captured."""
    recipe = get_recipe("skinseg", accumulate=accumulate)
    torch.manual_seed(0)
    model = skinseg.create_model(network).to(DEVICE).train()
    twins = [Step(twin, recipe, Distributed(DEVICE)) for twin in (model, copy.deepcopy(model))]
    twins[1].captures = False
    return twins[0], twins[1]


def difference(network: str, accumulate: int) -> float:
    """Return how far the gradients of one step are apart, relative to the plain step's norm."""
    torch.backends.cudnn.allow_tf32 = False
    twins = steps_of(network, accumulate)
    recipe = twins[0].recipe
    parts = parts_of(accumulate, recipe.size, recipe.batch_size)
    for step in twins:
        step(iter(parts), RATE)
    torch.backends.cudnn.allow_tf32 = True
    pairs = [
        (found.grad, true.grad)
        for found, true in zip(*(step.parameters for step in twins), strict=True)
        if true.grad is not None
    ]
    apart = sum(float((found - true).square().sum()) for found, true in pairs)
    return (apart / sum(float(true.square().sum()) for _, true in pairs)) ** 0.5


def expect_other_streams() -> None:
    """Let torch not warn of streams that differ: a graph is captured on one of its own."""
    warnings.filterwarnings("ignore", message="The AccumulateGrad node's stream")


def mean_milliseconds(step: Step, parts: list[MicroBatch], count: int) -> float:
    """Return the mean time of so many steps."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(count):
        step(iter(parts), RATE)
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / count * 1000


def milliseconds(step: Step) -> float:
    """Return the time of a step, the median over rounds."""
    parts = parts_of(1, step.recipe.size, step.recipe.batch_size)
    times = [mean_milliseconds(step, parts, STEPS) for _ in range(1 + ROUNDS)]
    return round(statistics.median(times[1:]), 2)


def slowest_kernels(step: Step, count: int = 5) -> dict[str, float]:
    """Return the kernels that take most of a plain step, with their fraction of its time."""
    parts = parts_of(1, step.recipe.size, step.recipe.batch_size)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
        step(iter(parts), RATE)
        torch.cuda.synchronize()
    times = {event.key[:100]: event.self_device_time_total for event in seen.key_averages()}
    total = sum(times.values())
    most = sorted(times, key=lambda name: -times[name])[:count]
    return {name: round(times[name] / total, 3) for name in most}


def page(results: dict[str, Any]) -> str:
    """Return the page of the figures."""
    rows = []
    for network, found in results["networks"].items():
        captured, plain = found["captured_ms"], found["plain_ms"]
        apart = max(found["difference"], found["difference_two_parts"])
        images = 1000 * get_recipe("skinseg").batch_size / captured
        cells = (f"{captured:.1f}", f"{plain:.1f}", f"{plain / captured:.1f}", f"{images:,.0f}")
        rows.append(f"| `{network}` | {' | '.join(cells)} | {apart:.0e} |")
    return PAGE.format(**page_fields(results["provenance"]), rows="\n".join(rows))


def main() -> None:
    expect_other_streams()
    networks = {}
    for network in NETWORKS:
        captured, plain = steps_of(network, 1)
        networks[network] = {
            "captured_ms": milliseconds(captured),
            "plain_ms": milliseconds(plain),
            "difference": difference(network, 1),
            "difference_two_parts": difference(network, 2),
            "slowest_kernels": slowest_kernels(plain),
        }
    results = {"provenance": provenance(), "networks": networks}
    write_result(FOLDER / "captured_step", results, page(results))


if __name__ == "__main__":
    main()
