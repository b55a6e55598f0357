"""Time a captured training step on a GPU in torch's default layout and channels last.

    python benchmarks/speed/gpu_layout.py

The step is that of captured_step.py; skinseg/training/layout.py chooses by these figures. Writes
docs/results/gpu_layout.json and .md.
"""

import copy
import warnings
from typing import Any

import torch

import skinseg
from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, write_result
from benchmarks.speed.captured_step import DEVICE, milliseconds
from skinseg.complexity import count_parameters
from skinseg.training import get_recipe
from skinseg.training.distributed import Distributed
from skinseg.training.layout import memory_format
from skinseg.training.step import Step

NETWORKS = (
    *("malunet", "mkunet_s", "lmsaunet", "cmunext_s", "tinyunet", "segnet_ecdf", "unext"),
    *("mobilevitv2", "bisenet", "cmunext", "unet", "attention_unet", "cmunext_l", "unetpp"),
    *("utnetv2", "transfuse_s", "unet_1024", "deeplabv3", "transunet_small"),
)
LAYOUTS = {"default": torch.contiguous_format, "channels last": torch.channels_last}
PAGE = """# Memory layout of training on a GPU

Written by `benchmarks/speed/gpu_layout.py` from `gpu_layout.json`: {hardware}, PyTorch
{torch}, commit {commit}. A training step of eight images of 128x128, captured as a CUDA graph, in
milliseconds; the recipe is `skinseg` without augmentation, and one process has the GPU alone. The
trainer chooses the layout in bold unless the recipe says otherwise (`channels_last`).

| network | parameters, M | default | channels last | ratio |
|---|---|---|---|---|
{rows}
"""


def measure(name: str) -> dict[str, Any]:
    """Return a network's times in both layouts, and the one that the trainer chooses."""
    torch.manual_seed(0)
    recipe = get_recipe("skinseg")
    network = skinseg.create_model(name).to(DEVICE).train()
    chosen = memory_format(network, DEVICE, None)
    times = {}
    for layout, memory in LAYOUTS.items():
        model = copy.deepcopy(network).to(memory_format=memory)  # type: ignore[call-overload]
        step = Step(model, recipe, Distributed(DEVICE))
        times[layout] = milliseconds(step, memory)
    return {
        "parameters": count_parameters(network).total,
        "milliseconds": times,
        "chosen": next(layout for layout, memory in LAYOUTS.items() if memory == chosen),
    }


def page(results: dict[str, Any]) -> str:
    """Return the page of the figures."""
    rows = []
    for network, found in results["networks"].items():
        times = found["milliseconds"]
        cells = [
            f"**{times[layout]:.1f}**" if layout == found["chosen"] else f"{times[layout]:.1f}"
            for layout in LAYOUTS
        ]
        ratio = times["channels last"] / times["default"]
        millions = found["parameters"] / 1e6
        rows.append(f"| `{network}` | {millions:.2f} | {' | '.join(cells)} | {ratio:.2f} |")
    origin = results["provenance"]
    return PAGE.format(
        hardware=origin["hardware"],
        torch=origin["torch"],
        commit=origin["commit"][:8],
        rows="\n".join(rows),
    )


def main() -> None:
    # The streams differ on purpose: a graph is captured on one of its own.
    warnings.filterwarnings("ignore", message="The AccumulateGrad node's stream")
    networks = {name: measure(name) for name in NETWORKS}
    results = {"provenance": provenance(), "networks": networks}
    write_result(FOLDER / "gpu_layout", results, page(results))


if __name__ == "__main__":
    main()
