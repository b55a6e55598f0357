"""Time of a training step on a GPU, captured as a CUDA graph and plain, and how far they differ.

    python benchmarks/gpu_step.py --output docs/results/gpu_step.json

The step is that of the recipe `skinseg` without augmentation, on random images; one process has the
GPU alone. The difference is of the gradients, relative, for batches in one part and in two, with
convolutions in float32; times are with PyTorch's default, TF32.
"""

import argparse
import copy
import statistics
import time
import warnings
from pathlib import Path

import torch
from gpu_training import NETWORKS
from provenance import provenance

import skinseg
from skinseg.files import write_json
from skinseg.training import get_recipe
from skinseg.training.processes import Processes
from skinseg.training.step import Part, Step

DEVICE = torch.device("cuda")
RATE = 1e-3
ROUNDS, STEPS = 5, 10


def parts_of(count: int, size: int, batch_size: int) -> list[Part]:
    """A batch of random images, in parts."""
    chance = torch.Generator().manual_seed(0)
    parts = []
    for _ in range(count):
        x = 255 * torch.rand(batch_size, 3, size, size, generator=chance)
        target = (torch.rand(batch_size, 1, size, size, generator=chance) > 0.5).float()
        parts.append(Part(x.to(DEVICE), target.to(DEVICE), 1 / count))
    return parts


def steps_of(network: str, accumulate: int) -> tuple[Step, Step]:
    """The same network twice: learning as the trainer does, and never captured."""
    recipe = get_recipe("skinseg", accumulate=accumulate)
    torch.manual_seed(0)
    model = skinseg.create_model(network).to(DEVICE).train()
    twins = [Step(twin, recipe, Processes(DEVICE)) for twin in (model, copy.deepcopy(model))]
    twins[1]._loss_of = lambda x: twins[1].plain
    return twins[0], twins[1]


def difference(network: str, accumulate: int) -> float:
    """Of the gradients of one step, in their norm, relative to the plain step's."""
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


def milliseconds(step: Step) -> float:
    """Time of a step, median over rounds."""
    parts = parts_of(1, step.recipe.size, step.recipe.batch_size)
    times = []
    for _ in range(1 + ROUNDS):
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(STEPS):
            step(iter(parts), RATE)
        torch.cuda.synchronize()
        times.append((time.perf_counter() - started) / STEPS * 1000)
    return round(statistics.median(times[1:]), 2)


def slowest_kernels(step: Step, count: int = 5) -> dict[str, float]:
    """The kernels that take most of a plain step, with their part of all kernels' time."""
    parts = parts_of(1, step.recipe.size, step.recipe.batch_size)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
        step(iter(parts), RATE)
        torch.cuda.synchronize()
    times = {event.key[:100]: event.self_device_time_total for event in seen.key_averages()}
    total = sum(times.values())
    most = sorted(times, key=lambda name: -times[name])[:count]
    return {name: round(times[name] / total, 3) for name in most}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="JSON file")
    output = parser.parse_args().output
    # The streams differ on purpose: a graph is captured on one of its own.
    warnings.filterwarnings("ignore", message="The AccumulateGrad node's stream")
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
        print(network, networks[network], flush=True)
        write_json(output, {"provenance": provenance(), "networks": networks})


if __name__ == "__main__":
    main()
