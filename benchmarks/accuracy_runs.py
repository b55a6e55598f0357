"""Train the networks behind docs/results/accuracy.md and the weights that ship.

    python benchmarks/accuracy_runs.py paper73-malunet-skinseg-0 --data FOLDER --output RUNS

Each run has a folder of its own in RUNS. Stopped, it goes on where it was when started again.
"""

import argparse
import csv
import dataclasses
from pathlib import Path

import torch
from provenance import provenance
from safetensors.torch import load_file
from taught_images import Blends, Both

import skinseg
from skinseg.data import ISIC2017, PairDataset, read_split
from skinseg.files import write_json
from skinseg.training import Recipe, get_recipe, train

SEEDS = (0, 1)


@dataclasses.dataclass(frozen=True)
class Run:
    """A network, the images it learns from, and how."""

    network: str
    split: str
    recipe: Recipe
    teacher: str | None = None  # "soft" masks of the images, or "mixed" images as well


def _runs() -> dict[str, Run]:
    fast = {"malunet": {"channels_last": True}, "egeunet": {}}
    runs = {}
    for network, layout in fast.items():
        for seed in SEEDS:
            # The papers' 300 epochs shortened; the cosine falls once, over the whole run.
            paper = get_recipe(
                f"paper-{network}", epochs=25, cosine_epochs=None, keep="last", seed=seed
            )
            runs[f"paper73-{network}-paper-{seed}"] = Run(network, "paper73", paper)
            ours = get_recipe("skinseg", epochs=100, keep="last", seed=seed, **layout)
            runs[f"paper73-{network}-skinseg-{seed}"] = Run(network, "paper73", ours)
        for seed in SEEDS:
            taught = get_recipe(
                "skinseg", epochs=80, keep="last", seed=seed, soft_weight=0.6, **layout
            )
            runs[f"paper73-{network}-taught-{seed}"] = Run(network, "paper73", taught, "soft")
            # With 3,000 blends an epoch is three times as long.
            mixed = dataclasses.replace(taught, epochs=28)
            runs[f"paper73-{network}-mixed-{seed}"] = Run(network, "paper73", mixed, "mixed")
        shipped = get_recipe("skinseg", epochs=28, soft_weight=0.6, **layout)
        runs[f"official-{network}-mixed"] = Run(network, "official", shipped, "mixed")
    return runs


RUNS = _runs()


def images(split: str, folder: Path) -> tuple[PairDataset, PairDataset]:
    """Return the training images of a split, without those that its other part has too, and it."""
    if split == "official":
        learned, held_out = ISIC2017(folder, "train"), ISIC2017(folder, "val")
    else:
        everything = ISIC2017(folder, "train") + ISIC2017(folder, "val")
        lists = [folder / "splits" / f"{split}_{part}.txt" for part in ("train", "test")]
        learned, held_out = (everything.subset(read_split(path)) for path in lists)
    twins = _twins(folder / "splits" / "near_duplicates.csv", set(held_out.ids))
    return learned.subset([name for name in learned.ids if name not in twins]), held_out


def _twins(path: Path, held_out: set[str]) -> set[str]:
    """Names of the pictures that are near-identical to a held-out one."""
    with path.open(newline="") as file:
        pairs = [(row["id1"], row["id2"]) for row in csv.DictReader(file)]
    return {a for pair in pairs for a, b in (pair, pair[::-1]) if b in held_out}


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
        write_json(output / "provenance.json", {"run": arguments.run, **provenance()})
    learned, held_out = images(run.split, arguments.data)
    soft_masks = None
    if run.teacher:
        soft_masks = load_file(arguments.teachers / "soft_masks.safetensors")
    if run.teacher == "mixed":
        blends = Blends(load_file(arguments.teachers / "blends.safetensors"))
        soft_masks |= blends.soft_masks()
        learned = Both(learned, blends)
    torch.manual_seed(run.recipe.seed)
    train(
        skinseg.create_model(run.network),
        learned,
        held_out if run.recipe.keep != "last" else None,
        output,
        run.recipe,
        soft_masks=soft_masks,
        resume=True,
        device=arguments.device,
    )


if __name__ == "__main__":
    main()
