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
from benchmarks.recipes.optimizers import OPTIMIZERS
from benchmarks.weights.corrupted_images import CorruptedDataset
from benchmarks.weights.pseudo_labels import ConcatDataset, MixupDataset
from benchmarks.weights.runs import RUNS, Run, epochs_done
from benchmarks.weights.splits import open_split
from skinseg import hub
from skinseg.files import write_json
from skinseg.models import SegmentationModel
from skinseg.training import train


def _history(run: Path) -> dict[str, Any]:
    """How the weights that another run begins with were made."""
    recipe = hub.read_local_dir(run).recipe
    return {"recipe": recipe, **json.loads((run / "provenance.json").read_text())}


def _note_origin(output: Path, initial: Path | None) -> None:
    """Write down the code and the machine, also where another one goes on with a run."""
    file, here = output / "provenance.json", provenance()
    # Without a checkpoint there is nothing to go on with: the run begins, whatever lies there.
    if not (file.is_file() and (output / "checkpoint.pt").is_file()):
        output.mkdir(parents=True, exist_ok=True)
        origin: dict[str, Any] = {"run": output.name, **here}
        if initial:
            origin["initial"] = _history(initial)
        write_json(file, origin)
        return
    origin = json.loads(file.read_text())
    last = origin.get("continued_by", [origin])[-1]
    if any(last[key] != here[key] for key in ("commit", "uncommitted", "torch", "hardware")):
        here["after_epochs"] = epochs_done(output)
        write_json(file, {**origin, "continued_by": [*origin.get("continued_by", []), here]})


def train_run(
    name: str,
    run: Run,
    data: Path,
    runs: Path,
    *,
    teachers: Path | None = None,
    device: str = "cpu",
) -> SegmentationModel:
    """Train a run, or go on with it, in its folder.

    Args:
        name: Its folder's name in ``runs``.
        run: What is trained, and how.
        data: The ISIC 2017 folders.
        runs: Folder of all runs.
        teachers: Folder written by teachers.py; for the runs that learn from them.
        device: Where to train.

    Returns:
        The network with the weights that were kept.
    """
    output = runs / name
    _note_origin(output, runs / run.initial if run.initial else None)
    train_set, held_out = open_split(run.split, data)
    if run.corrupted:
        train_set = ConcatDataset(train_set, CorruptedDataset(train_set))
    soft_masks = None
    if run.teacher:
        if teachers is None:
            raise ValueError(f"{name} learns from teachers; name the folder that teachers.py wrote")
        soft_masks = load_file(teachers / "soft_masks.safetensors")
        if run.teacher == "mixed":
            blends = MixupDataset(load_file(teachers / "blends.safetensors"))
            soft_masks |= blends.soft_masks()
            train_set = ConcatDataset(train_set, blends)
    torch.manual_seed(run.recipe.seed)
    network = skinseg.create_model(
        f"local-dir:{runs / run.initial}" if run.initial else run.network
    )
    assert isinstance(network, SegmentationModel)
    train(
        network,
        train_set,
        held_out if run.recipe.keep != "last" else None,
        output,
        run.recipe,
        soft_masks=soft_masks,
        optimizer=OPTIMIZERS[run.optimizer] if run.optimizer else None,
        resume=True,
        device=device,
    )
    return network


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
    train_run(
        arguments.run,
        RUNS[arguments.run],
        arguments.data,
        arguments.output,
        teachers=arguments.teachers,
        device=arguments.device,
    )


if __name__ == "__main__":
    main()
