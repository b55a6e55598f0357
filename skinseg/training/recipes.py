"""Recipes by name: those of the papers, and our own."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from skinseg.data.augmentation import Augmentation
from skinseg.data.normalization import Normalization
from skinseg.names import near_matches
from skinseg.training.recipe import Recipe

# MALUNet (arXiv 2211.01784) and EGE-UNet (arXiv 2307.08473), experiments: AdamW, a cosine that
# falls for 50 epochs and then rises and falls again, 300 epochs.
_SIX_STAGE = Recipe(epochs=300, cosine_epochs=50)

_RECIPES = {
    "paper-malunet": _SIX_STAGE,
    "paper-egeunet": _SIX_STAGE,
    # LMSAUNet: the paper names the loss, the size and the batch; the learning rate and the number
    # of epochs are not in it, and are those of the six-stage networks here.
    "paper-lmsaunet": Recipe(
        epochs=300,
        loss="ce_iou",
        augmentation=Augmentation(rotate=0.0),
        normalization=Normalization(
            kind="mean_std", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
        ),
    ),
    # Many epochs at 128 pixels with a higher learning rate teach more than few at 256 for the same
    # time (docs/results/trial_runs.md). Changes of size and color slow such small networks down;
    # that each image is stretched by its own extremes already makes them indifferent to exposure
    # and white balance (docs/results/robustness.md).
    "skinseg": Recipe(epochs=75, size=128, learning_rate=3e-3, warmup=0.05, ema_decay=0.998),
}


def list_recipes() -> list[str]:
    """Return the names of all recipes.

    Example:
        >>> list_recipes()
        ['paper-egeunet', 'paper-lmsaunet', 'paper-malunet', 'skinseg']
    """
    return sorted(_RECIPES)


def get_recipe(name: str = "skinseg", **changes: Any) -> Recipe:
    """Return a recipe by name.

    Two errors of the authors' code are not part of ``paper-malunet`` and ``paper-egeunet`` unless
    asked for: ``Augmentation(rotate_by=...)``, one angle of rotation for a whole run, and
    ``select_on_test``, the test images choosing the epoch.

    Args:
        name: One of :func:`list_recipes`, or a JSON file with the settings of a recipe, such as
            the ``recipe.json`` of a training run.
        changes: Settings of :class:`Recipe` that differ.

    Raises:
        ValueError: If there is no such recipe, its file cannot be read, or a setting is out of
            range.
        TypeError: If there is no such setting.

    Example:
        >>> get_recipe("paper-malunet", epochs=25).epochs
        25
    """
    if is_recipe_file(name):
        return dataclasses.replace(_read_recipe(Path(name)), **changes)
    if name not in _RECIPES:
        raise ValueError(
            f"there is no recipe {name!r} (a file of settings ends in .json); "
            f"{near_matches(name, _RECIPES)}"
        )
    return dataclasses.replace(_RECIPES[name], **changes)


def is_recipe_file(name: str) -> bool:
    """Tell whether a recipe is named by its file rather than by its name."""
    return name.endswith(".json")


def _read_recipe(path: Path) -> Recipe:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not a readable recipe: {error}") from error
    settings = content.get("recipe", content) if isinstance(content, dict) else content
    try:
        return Recipe.from_dict(settings)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} does not hold the settings of a recipe: {error}. The recipe.json of a "
            "training run shows all of them"
        ) from error
