"""Train the networks behind docs/results/accuracy.md and the weights that ship.

    python benchmarks/accuracy_runs.py paper73-malunet-skinseg-0 --data FOLDER --output RUNS

Each run has a folder of its own in RUNS. Stopped, it goes on where it was when started again.
"""

import argparse
import csv
import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import torch
from provenance import provenance
from safetensors.torch import load_file
from taught_images import Blends, Both

import skinseg
from skinseg import hub
from skinseg.data import ISIC2017, Augmentation, Normalization, PairDataset, read_split
from skinseg.files import write_json
from skinseg.training import Recipe, get_recipe, train

SEEDS = (0, 1)


@dataclasses.dataclass(frozen=True)
class Run:
    """A network, the images it learns from, and how."""

    network: str
    split: str
    kind: str
    recipe: Recipe
    teacher: str | None = None  # "soft" masks of the images, or "mixed" images as well
    begins: str | None = None  # the run whose weights it begins with


# Memory layout that is faster on a CPU.
LAYOUT = {"malunet": {"channels_last": True}, "egeunet": {}}
# What was tried first: the Dice loss of the batch, which weighs lesions as pooled scores do.
BATCH_DICE = Recipe(
    size=128,
    batch_size=16,
    learning_rate=2e-3,
    warmup=0.05,
    dice_per_image=False,
    augmentation=Augmentation(
        rotate=1.0, zoom=(0.7, 2.0), white_balance=0.15, saturation=0.3, gamma=(0.7, 1.4)
    ),
    ema_decay=0.998,
    keep="last",
    channels_last=True,
)
CHANGES = Augmentation(
    rotate=1.0, zoom=(0.7, 1.6), white_balance=0.15, saturation=0.3, gamma=(0.7, 1.4)
)
FIXED = Normalization(kind="mean_std", mean=(0.5,) * 3, std=(0.25,) * 3)
# What `skinseg` was before: strong changes of size, colour and light, and one scale of brightness.
STRONG = Recipe(
    epochs=60,
    size=128,
    small_scale=0.75,
    small_share=0.6,
    warmup=0.02,
    augmentation=CHANGES,
    normalization=FIXED,
    ema_decay=0.998,
    keep="last",
)
LMSAUNET = {
    "epochs": 24,
    "size": 96,
    "small_scale": 2 / 3,
    "small_share": 2 / 3,
    "learning_rate": 2e-3,
}
# Single changes to the paper's recipe at its own size, compared on a fifth of the 1,500 training
# images of paper73, so that the 650 test images choose nothing.
TRIED = {"epochs": 25, "cosine_epochs": None, "keep": "last", "ema_decay": 0.998}
LIGHT = Augmentation(zoom=(0.85, 1.25), white_balance=0.08, saturation=0.15, gamma=(0.85, 1.2))
FAST = {"learning_rate": 3e-3, "warmup": 0.05}
TRIALS = {
    "start": {},
    "changes": {"augmentation": CHANGES},
    "128": {"size": 128},
    "128-fast": {"size": 128, **FAST},
    "128-fixed": {"size": 128, "normalization": FIXED},
    "128-light": {"size": 128, "augmentation": LIGHT},
    "128-longer": {"size": 128, "epochs": 75, **FAST},
    "128-faster": {"size": 128, "learning_rate": 6e-3, "warmup": 0.05},
    "128-averaged": {
        "size": 128,
        "epochs": 75,
        **FAST,
        "final_learning_rate": 1e-3,
        "ema_decay": 0.9995,
    },
    "128-taught": {"size": 128, "epochs": 75, **FAST, "soft_weight": 0.5},
    "grows": {**FAST, "epochs": 40, "small_scale": 0.5, "small_share": 0.6},
}


def _runs() -> dict[str, Run]:
    runs = {}
    for network, layout in LAYOUT.items():
        for seed in SEEDS:
            # The papers' 300 epochs shortened; the cosine falls once, over the whole run.
            paper = get_recipe(
                f"paper-{network}", epochs=12, cosine_epochs=None, keep="last", seed=seed
            )
            runs[f"paper73-{network}-paper-{seed}"] = Run(network, "paper73", "paper", paper)
            # Three epochs at 128 pixels cost about as much as one at 256: 75 are 25 of the paper's.
            ours = get_recipe("skinseg", keep="last", seed=seed, **layout)
            runs[f"paper73-{network}-skinseg-{seed}"] = Run(network, "paper73", "skinseg", ours)
            longer = dataclasses.replace(ours, epochs=150)
            runs[f"paper73-{network}-longer-{seed}"] = Run(network, "paper73", "longer", longer)
        changed = dataclasses.replace(STRONG, **layout)
        runs[f"paper73-{network}-changes-0"] = Run(network, "paper73", "changes", changed)
    runs["paper73-malunet-batch_dice-0"] = Run(
        "malunet", "paper73", "batch_dice", dataclasses.replace(BATCH_DICE, epochs=100)
    )
    larger = dataclasses.replace(STRONG, epochs=30, size=192, small_scale=2 / 3, channels_last=True)
    runs["paper73-malunet-192-0"] = Run("malunet", "paper73", "larger", larger)
    taught = dataclasses.replace(BATCH_DICE, epochs=80, soft_weight=0.6)
    runs["paper73-malunet-taught-0"] = Run("malunet", "paper73", "taught", taught, "soft")
    mixed = dataclasses.replace(taught, epochs=28, keep="best")
    runs["official-malunet-mixed"] = Run("malunet", "official", "mixed", mixed, "mixed")
    for network, changes in {
        "malunet": {"channels_last": True, "epochs": 100},
        "egeunet": {"epochs": 50},
        "basic_unet": {"channels_last": True, "epochs": 100},
        # LMSAUNet costs twenty times MALUNet: smaller images, fewer epochs.
        "lmsaunet": {**LMSAUNET, "channels_last": True},
    }.items():
        # Other sets frame lesions in other ways: lesions of many sizes, at some cost on this one.
        shipped = get_recipe("skinseg", **changes, augmentation=Augmentation(zoom=(0.8, 1.6)))
        runs[f"official-{network}"] = Run(network, "official", "shipped", shipped)
    taught = dataclasses.replace(runs["official-malunet"].recipe, epochs=40, soft_weight=0.5)
    runs["official-malunet-taught"] = Run("malunet", "official", "shipped", taught, "soft")
    for network in LAYOUT:
        # The learning rate rises and falls a second time, with other draws of flips and zoom.
        first = f"official-{network}"
        changes = {"epochs": 50, "learning_rate": 2e-3, "seed": 1}
        again = dataclasses.replace(runs[first].recipe, **changes)
        runs[f"{first}-again"] = Run(network, "official", "shipped", again, begins=first)
    for name, changes in TRIALS.items():
        recipe = get_recipe("paper-malunet", **{**TRIED, **changes})
        teacher = "soft" if recipe.soft_weight else None
        runs[f"trial-malunet-{name}"] = Run("malunet", "paper73_part", name, recipe, teacher)
    return runs


RUNS = _runs()


def images(split: str, folder: Path) -> tuple[PairDataset, PairDataset]:
    """Return the training images of a split, without those that its other part has too, and it."""
    if split == "official":
        learned, held_out = ISIC2017(folder, "train"), ISIC2017(folder, "val")
    else:
        everything = ISIC2017(folder, "train") + ISIC2017(folder, "val")
        lists = [folder / "splits" / f"paper73_{part}.txt" for part in ("train", "test")]
        learned, held_out = (everything.subset(read_split(path)) for path in lists)
        if split == "paper73_part":
            names = random.Random(0).sample(learned.ids, k=len(learned))
            part = len(names) // 5
            learned, held_out = learned.subset(names[part:]), learned.subset(names[:part])
    twins = _twins(folder / "splits" / "near_duplicates.csv", set(held_out.ids))
    return learned.subset([name for name in learned.ids if name not in twins]), held_out


def _twins(path: Path, held_out: set[str]) -> set[str]:
    """Names of the pictures that are near-identical to a held-out one."""
    with path.open(newline="") as file:
        pairs = [(row["id1"], row["id2"]) for row in csv.DictReader(file)]
    return {a for pair in pairs for a, b in (pair, pair[::-1]) if b in held_out}


def hours(run: Path) -> float:
    """How long all epochs of a run took."""
    log = json.loads((run / "log.json").read_text())
    return sum(entry["seconds"] for entry in log) / 3600


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
        if run.begins:
            origin["initial"] = _history(arguments.output / run.begins)
        write_json(output / "provenance.json", origin)
    learned, held_out = images(run.split, arguments.data)
    soft_masks = None
    if run.teacher:
        soft_masks = load_file(arguments.teachers / "soft_masks.safetensors")
    if run.teacher == "mixed":
        blends = Blends(load_file(arguments.teachers / "blends.safetensors"))
        soft_masks |= blends.soft_masks()
        learned = Both(learned, blends)
    torch.manual_seed(run.recipe.seed)
    first = f"local-dir:{arguments.output / run.begins}" if run.begins else run.network
    train(
        skinseg.create_model(first),
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
