"""Recipes by name: those of the papers, and our own."""

import dataclasses
from typing import Any

from skinseg.data.augmentation import Augmentation
from skinseg.data.normalization import Normalization
from skinseg.training.recipe import Recipe

# MALUNet (arXiv 2211.01784) and EGE-UNet (arXiv 2307.08473), experiments: AdamW, a cosine that
# falls for 50 epochs and then rises and falls again, 300 epochs.
_SIX_STAGE = Recipe(epochs=300, cosine_epochs=50)

_RECIPES = {
    "paper-malunet": dataclasses.replace(_SIX_STAGE, channels_last=True),
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
        channels_last=True,
    ),
    # Many epochs at 128 pixels with a higher learning rate teach more than few at 256 for the same
    # time (docs/results/trial_runs.md). Changes of size and colour slow such small networks down;
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

    Two slips of the authors' code are not part of ``paper-malunet`` and ``paper-egeunet`` unless
    asked for: ``Augmentation(rotate_by=...)``, one angle of rotation for a whole run, and
    ``select_on_test``, the test images choosing the epoch.

    Args:
        name: One of :func:`list_recipes`.
        changes: Settings of :class:`Recipe` that differ.

    Raises:
        ValueError: If there is no such recipe, or a setting is out of range.
        TypeError: If there is no such setting.

    Example:
        >>> get_recipe("paper-malunet", epochs=25).epochs
        25
    """
    if name not in _RECIPES:
        raise ValueError(f"there is no recipe {name!r}; choose one of {', '.join(list_recipes())}")
    return dataclasses.replace(_RECIPES[name], **changes)
