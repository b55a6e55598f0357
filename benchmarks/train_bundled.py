"""Train the weights that ship with the package, on the official ISIC 2017 split.

    python benchmarks/train_bundled.py egeunet --data FOLDER --output runs/egeunet

Stopped, it goes on where it was when started again.
"""

import argparse
import json
from pathlib import Path

import torch
from provenance import provenance

import skinseg
from skinseg import hub
from skinseg.data import ISIC2017, SegmentationDataset
from skinseg.files import write_json
from skinseg.training import Recipe, train

# At 128 pixels these networks see large lesions whole; runs that ended at 256 scored lower
# (docs/results/training_runs.md).
COMMON = {
    "size": 128,
    "zoom": (0.7, 1.6),
    "white_balance": 0.15,
    "rotate": 1.0,
    "ema_decay": 0.998,
}
RECIPES = {
    "egeunet": Recipe(epochs=80, **COMMON),
    "egeunet-continued": Recipe(
        epochs=40, learning_rate=6e-4, dice_per_image=False, **{**COMMON, "zoom": (0.7, 2.0)}
    ),
    "malunet": Recipe(epochs=120, channels_last=True, **COMMON),
}


def training_images(folder: str) -> SegmentationDataset:
    """The official training split without the picture that the validation split has, too."""
    dataset = ISIC2017(folder, "train")
    return dataset.subset([name for name in dataset.ids if name != "ISIC_0012970"])


def initial_run(folder: str | None) -> dict | None:
    """What the record must say of the run that another one begins with."""
    if folder is None:
        return None
    origin = json.loads((Path(folder) / "provenance.json").read_text())
    return {"commit": origin["commit"], "recipe": hub.read_local_dir(folder).recipe}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--data", required=True, help="folder with the ISIC 2017 folders")
    parser.add_argument("--output", required=True, help="folder of the run")
    parser.add_argument("--initial", help="folder of a run whose weights to begin with")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    recipe = RECIPES[arguments.recipe]
    origin = Path(arguments.output) / "provenance.json"
    if not origin.is_file():
        origin.parent.mkdir(parents=True, exist_ok=True)
        write_json(origin, {**provenance(), "initial": initial_run(arguments.initial)})
    torch.manual_seed(recipe.seed)
    initial = arguments.initial and f"local-dir:{arguments.initial}"
    train(
        skinseg.create_model(initial or arguments.recipe),
        training_images(arguments.data),
        ISIC2017(arguments.data, "val"),
        arguments.output,
        recipe,
        resume=True,
        device=arguments.device,
    )


if __name__ == "__main__":
    main()
