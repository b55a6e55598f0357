"""Short trials of single changes to a recipe: what helps in the first epochs, and what does not.

    python benchmarks/recipes/recipe_trials.py colours --data FOLDER --teachers TEACHERS

trains MALUNet for eight epochs of a schedule of 120 on the official training images of ISIC 2017,
adds its validation scores to docs/results/recipe_trials.json and writes recipe_trials.md from it.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

import skinseg
from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, write_result
from benchmarks.weights.splits import open_split
from skinseg.data import Augmentation, Normalization
from skinseg.training import MemoryDataset, Recipe, validate
from skinseg.training.trainer import Trainer

RESULTS = FOLDER / "recipe_trials"
EPOCHS = 8
AUGMENTATION = Augmentation(rotate=1.0, zoom=(0.7, 1.6), white_balance=0.15)
START = Recipe(
    epochs=120,
    size=128,
    ema_decay=0.998,
    augmentation=AUGMENTATION,
    channels_last=True,
    keep="last",
)
_COLOURS: dict[str, Any] = {
    "augmentation": dataclasses.replace(AUGMENTATION, saturation=0.3, gamma=(0.7, 1.4))
}
_FIXED: dict[str, Any] = {
    "normalization": Normalization(kind="mean_std", mean=(0.5,) * 3, std=(0.25,) * 3)
}
TRIALS: dict[str, tuple[str, dict[str, Any]]] = {
    "start": ("128 pixels, batches of 8, 1e-3, zoom 0.7 to 1.6, white balance, EMA", {}),
    "colours": ("saturation and gamma change, too", _COLOURS),
    "fixed": ("pixels scaled alike in all images, not by each one's own extremes", _FIXED),
    "colours-fixed": ("both of these", {**_COLOURS, **_FIXED}),
    "batch-dice": ("Dice loss of the batch", {"dice_per_image": False}),
    "large-batch": (
        "batches of 16, 2e-3, warm-up",
        {"batch_size": 16, "learning_rate": 2e-3, "warmup": 0.05},
    ),
    "zoom": (
        "zoom 0.7 to 2.5",
        {"augmentation": dataclasses.replace(AUGMENTATION, zoom=(0.7, 2.5))},
    ),
    "teacher": ("60 % soft masks of teachers", {"soft_weight": 0.6}),
    "96": ("96 pixels", {"size": 96}),
    "64": ("64 pixels", {"size": 64}),
}
PAGE = """# Trials of the recipe

Written by `benchmarks/recipes/recipe_trials.py` from `recipe_trials.json`. MALUNet, the first 8
epochs of a schedule of 120 on the official training images of ISIC 2017, one change each; lesion
IoU on the 150 official validation images, at the size trained at. One seed: differences below 0.01
say little.

| trial | what | IoU, pooled | IoU, mean of images |
|---|---|---|---|
"""


def trial(name: str, data: Path, teachers: Path | None) -> list[dict[str, float]]:
    """The validation scores of each epoch."""
    recipe = dataclasses.replace(START, **TRIALS[name][1])
    train_set, held_out = open_split("official", data)
    soft = load_file(teachers / "soft_masks.safetensors") if recipe.soft_weight else None
    torch.manual_seed(recipe.seed)
    trainer = Trainer(skinseg.create_model("malunet"), recipe, "cpu")
    train_data = MemoryDataset(
        train_set, recipe.size, soft_masks=soft, soft_weight=recipe.soft_weight
    )
    val_data = MemoryDataset(held_out, recipe.size)
    scores = []
    for epoch in range(EPOCHS):
        trainer._epoch(train_data, epoch, lambda: None)
        measured = validate(trainer.step.kept, val_data, recipe.normalization).scores
        scores.append({"pooled_iou": measured.pooled_iou, "mean_iou": measured.mean_iou})
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trial", choices=TRIALS)
    parser.add_argument("--data", type=Path, required=True, help="folder of ISIC 2017")
    parser.add_argument("--teachers", type=Path, help="folder written by teachers.py")
    arguments = parser.parse_args()
    epochs = trial(arguments.trial, arguments.data, arguments.teachers)
    path = RESULTS.with_suffix(".json")
    results = json.loads(path.read_text()) if path.is_file() else {}
    results[arguments.trial] = {"provenance": provenance(), "epochs": epochs}
    write_result(RESULTS, results, page(results))


def page(results: dict[str, Any]) -> str:
    """Return the page made from the figures, with all trials so far in the order of ``TRIALS``."""
    rows = ""
    for name, (what, _) in TRIALS.items():
        if name in results:
            last = results[name]["epochs"][-1]
            rows += f"| {name} | {what} | {last['pooled_iou']:.3f} | {last['mean_iou']:.3f} |\n"
    return PAGE + rows


if __name__ == "__main__":
    main()
