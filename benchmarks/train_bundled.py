"""Train the weights that ship with the package, on the official ISIC 2017 split.

    python benchmarks/train_bundled.py egeunet --data FOLDER --output runs/egeunet

Stopped, it goes on where it was when started again.
"""

import argparse
from pathlib import Path

import torch
from provenance import provenance

import skinseg
from skinseg.data import ISIC2017
from skinseg.files import write_json
from skinseg.training import Recipe, train

# At 128 pixels these networks see large lesions whole. Trained at 128 and then, at a lower rate, at
# 256, both lost 0.04 of pooled IoU on the validation images.
COMMON = {
    "size": 128,
    "zoom": (0.7, 1.6),
    "white_balance": 0.15,
    "rotate": 1.0,
    "ema_decay": 0.998,
}
RECIPES = {
    "egeunet": Recipe(epochs=80, **COMMON),
    "malunet": Recipe(epochs=120, channels_last=True, **COMMON),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=RECIPES)
    parser.add_argument("--data", required=True, help="folder with the ISIC 2017 folders")
    parser.add_argument("--output", required=True, help="folder of the run")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    recipe = RECIPES[arguments.model]
    origin = Path(arguments.output) / "provenance.json"
    if not origin.is_file():
        origin.parent.mkdir(parents=True, exist_ok=True)
        write_json(origin, provenance())
    torch.manual_seed(recipe.seed)
    train(
        skinseg.create_model(arguments.model),
        ISIC2017(arguments.data, "train"),
        ISIC2017(arguments.data, "val"),
        arguments.output,
        recipe,
        resume=True,
        device=arguments.device,
    )


if __name__ == "__main__":
    main()
