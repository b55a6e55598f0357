"""Time a captured training step on a GPU in torch's default layout and channels last.

    python benchmarks/speed/gpu_layout.py

The step is that of captured_step.py; skinseg/training/layout.py chooses by these figures. Writes
docs/results/gpu_layout.json and .md.
"""

import copy
from typing import Any

import torch

import skinseg
from benchmarks.provenance import page_fields, provenance
from benchmarks.results import FOLDER, write_result
from benchmarks.speed.captured_step import (
    DEVICE,
    expect_other_streams,
    mean_milliseconds,
    parts_of,
)
from skinseg.complexity import count_parameters
from skinseg.training import get_recipe
from skinseg.training.distributed import Distributed
from skinseg.training.layout import memory_format
from skinseg.training.step import Step

NETWORKS = (
    *("segnet_ecdf", "unet", "cmunext_l", "attention_unet", "unetpp"),
    *("utnetv2", "transfuse_s", "unet_1024", "deeplabv3", "transunet_small"),
)
LAYOUTS = {"default": torch.contiguous_format, "channels last": torch.channels_last}
WARMUP, STEPS = 3, 20
PAGE = """# Memory layout of training on a GPU

Written by `benchmarks/speed/gpu_layout.py` from `gpu_layout.json`: {hardware}, PyTorch
{torch}, commit {commit}. A training step of eight images of 128x128, captured as a CUDA graph, in
milliseconds, the mean of {steps} steps; the recipe is `skinseg` without augmentation. The trainer
takes the layout in bold unless the recipe names one (`channels_last`).

| network | parameters, M | default | channels last | ratio |
|---|---|---|---|---|
{rows}
"""


def milliseconds(step: Step, layout: torch.memory_format) -> float:
    """Return the mean time of a step on images of a layout."""
    parts = [
        part._replace(x=part.x.contiguous(memory_format=layout))
        for part in parts_of(1, step.recipe.size, step.recipe.batch_size)
    ]
    mean_milliseconds(step, parts, WARMUP)
    return round(mean_milliseconds(step, parts, STEPS), 2)


def measure(name: str) -> dict[str, Any]:
    """Return a network's times in both layouts, and the one that the trainer takes."""
    torch.manual_seed(0)
    recipe = get_recipe("skinseg")
    network = skinseg.create_model(name).to(DEVICE).train()
    taken = memory_format(network, DEVICE, None)
    times = {}
    for layout, memory in LAYOUTS.items():
        model = copy.deepcopy(network).to(memory_format=memory)  # type: ignore[call-overload]
        times[layout] = milliseconds(Step(model, recipe, Distributed(DEVICE)), memory)
    return {
        "parameters": count_parameters(network).total,
        "milliseconds": times,
        "taken": next(layout for layout, memory in LAYOUTS.items() if memory == taken),
    }


def page(results: dict[str, Any]) -> str:
    """Return the page of the figures."""
    rows = []
    for network, found in results["networks"].items():
        times = found["milliseconds"]
        cells = [
            f"**{times[layout]:.1f}**" if layout == found["taken"] else f"{times[layout]:.1f}"
            for layout in LAYOUTS
        ]
        ratio = times["channels last"] / times["default"]
        millions = found["parameters"] / 1e6
        rows.append(f"| `{network}` | {millions:.2f} | {' | '.join(cells)} | {ratio:.2f} |")
    # How it was measured, where that was not by this script on an idle machine.
    note = results.get("note", "")
    origin = page_fields(results["provenance"])
    return PAGE.format(**origin, steps=STEPS, rows="\n".join(rows)) + (note and f"\n{note}\n")


def main() -> None:
    expect_other_streams()
    networks = {name: measure(name) for name in NETWORKS}
    results = {"provenance": provenance(), "networks": networks}
    write_result(FOLDER / "gpu_layout", results, page(results))


if __name__ == "__main__":
    main()
