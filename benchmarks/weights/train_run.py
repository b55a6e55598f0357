"""Train one of the runs behind docs/results/accuracy.md and the weights that ship.

    python benchmarks/weights/train_run.py paper73-malunet-skinseg-0 --data FOLDER --output RUNS

Each run has a folder of its own in RUNS. A run that was stopped goes on where it was when the same
command is given again. The runs: runs.py.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

import skinseg
from benchmarks.provenance import provenance
from benchmarks.weights.pseudo_labels import ConcatDataset, MixupDataset
from benchmarks.weights.runs import RUNS
from benchmarks.weights.splits import open_split
from skinseg import hub
from skinseg.data import SegmentationDataset
from skinseg.files import write_json
from skinseg.training import train


def _history(run: Path) -> dict[str, Any]:
    """How the weights that another run begins with were made."""
    recipe = hub.read_local_dir(run).recipe
    return {"recipe": recipe, **json.loads((run / "provenance.json").read_text())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", choices=RUNS)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with the ISIC 2017 folders"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--teachers", type=Path, help="folder written by teachers.py")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    run = RUNS[arguments.run]
    output = arguments.output / arguments.run
    if not (output / "provenance.json").is_file():
        output.mkdir(parents=True, exist_ok=True)
        origin = {"run": arguments.run, **provenance()}
        if run.initial:
            origin["initial"] = _history(arguments.output / run.initial)
        write_json(output / "provenance.json", origin)
    train_set: SegmentationDataset
    train_set, held_out = open_split(run.split, arguments.data)
    soft_masks = None
    if run.teacher:
        soft_masks = load_file(arguments.teachers / "soft_masks.safetensors")
        if run.teacher == "mixed":
            blends = MixupDataset(load_file(arguments.teachers / "blends.safetensors"))
            soft_masks |= blends.soft_masks()
            train_set = ConcatDataset(train_set, blends)
    torch.manual_seed(run.recipe.seed)
    first = f"local-dir:{arguments.output / run.initial}" if run.initial else run.network
    train(
        skinseg.create_model(first),
        train_set,
        held_out if run.recipe.keep != "last" else None,
        output,
        run.recipe,
        soft_masks=soft_masks,
        resume=True,
        device=arguments.device,
    )


if __name__ == "__main__":
    main()
