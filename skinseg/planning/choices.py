"""The rules by which settings follow from the data, each with the reason that is printed."""

import dataclasses
import math

import numpy as np

from skinseg.formatting import counted
from skinseg.training.batches import piece_lengths
from skinseg.training.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Choice:
    """A setting, what it is set to, and why, in a line."""

    name: str
    value: str
    reason: str


_LARGEST, _SMALLEST = 256, 64
# A lesion of fewer pixels across is less than one pixel of the fourth of six stages.
_LEAST_DIAMETER = 12

# Images of ISIC 2017 and steps of batches of 8 that were enough for them.
_REFERENCE_IMAGES, _REFERENCE_STEPS = 1500, 14_100
_LEAST_STEPS, _MOST_STEPS = 2000, 60_000
# Trained weights know what a lesion is; they only get used to other images.
_FRACTION_OF_STEPS, _FRACTION_OF_RATE = 0.25, 0.1
_PRETRAINED_BELOW = 1000

_VALIDATION_FRACTION, _MOST_VALIDATION, _LEAST_VALIDATION = 0.2, 500, 4


def begins_with(weights: str | None, images: int, asked: bool | None) -> tuple[bool, Choice]:
    """Choose whether training begins with the network's trained weights.

    Args:
        weights: Name of the weights that there are, if any.
        images: Number of training images.
        asked: What the user or the recipe wants; None to choose.

    Raises:
        ValueError: If trained weights are asked for, and there are none.
    """
    if weights is None and asked:
        raise ValueError("there are no trained weights of this network; begin from scratch")
    if weights is None:
        return False, Choice("begins with", "random weights", "there are no trained ones of it")
    if asked is not None:
        use, reason = asked, "as asked" if asked else "as the recipe, or you, would have it"
    elif images < _PRETRAINED_BELOW:
        use, reason = True, f"fewer than {_PRETRAINED_BELOW:,} training images learn more from them"
    else:
        use, reason = False, f"{images:,} images are enough to learn from"
    return use, Choice("begins with", weights if use else "random weights", reason)


def validation_fraction(images: int) -> tuple[float, str]:
    """Choose the fraction of the images that is set aside for validation."""
    if images * _VALIDATION_FRACTION > _MOST_VALIDATION:
        return _MOST_VALIDATION / images, f"{_MOST_VALIDATION} images tell epochs apart well enough"
    if images * _VALIDATION_FRACTION < _LEAST_VALIDATION:
        fraction = min(0.5, _LEAST_VALIDATION / images)
        return fraction, "fewer images would choose the epoch by chance"
    return _VALIDATION_FRACTION, "a fifth"


def training_size(
    usual: int, reason: str, sizes: np.ndarray, lesion_fractions: np.ndarray
) -> Choice:
    """Choose the side of the square that images are resized to.

    Args:
        usual: Side that the network is usually trained at.
        reason: Why that.
        sizes: int (N, 2), of the images.
        lesion_fractions: (N,), fraction of lesion.
    """
    own = float(np.median(np.sqrt(sizes.prod(1))))
    if own < 0.75 * usual:
        side = min(usual, max(_SMALLEST, round(own / 32) * 32))
        return Choice("size", str(side), f"the images are of about {own:.0f} pixels, not larger")
    lesions = lesion_fractions[lesion_fractions > 0]
    across = usual * math.sqrt(4 / math.pi * np.percentile(lesions, 10))
    if across < _LEAST_DIAMETER and own >= 1.5 * usual and usual < _LARGEST:
        return Choice(
            "size",
            str(min(_LARGEST, 2 * usual)),
            f"a tenth of the lesions would be {across:.0f} pixels across or less at {usual}",
        )
    return Choice("size", str(usual), reason)


def usual_size(recipe: Recipe, weights_size: int | None) -> tuple[int, str]:
    """Return the side that a network is usually trained at, and why."""
    if weights_size is not None:
        return weights_size, "that of the weights it begins with"
    return recipe.size, "that of the recipe"


def batch_size(recipe: Recipe, images: int) -> Choice:
    """Choose the number of images per step: a power of two, or the recipe's."""
    most = max(2, images // 8)
    if recipe.batch_size <= most:
        return Choice("batch size", str(recipe.batch_size), "that of the recipe")
    chosen = min(recipe.batch_size, max(4, 2 ** int(math.log2(most))), images)
    return Choice("batch size", str(chosen), f"{images} images make few steps per epoch otherwise")


def epochs(images: int, batch: int, trained: bool) -> Choice:
    """Choose the number of epochs from a budget of optimizer steps.

    The budget grows with the square root of the number of images: ten times as many deserve three
    times the work.
    """
    budget = _REFERENCE_STEPS * math.sqrt(images / _REFERENCE_IMAGES) * min(1, 8 / batch)
    budget = min(_MOST_STEPS, max(_LEAST_STEPS, budget)) * (_FRACTION_OF_STEPS if trained else 1)
    steps = len(piece_lengths(images, batch))
    chosen = max(10, round(budget / steps))
    return Choice("epochs", str(chosen), f"{counted(chosen * steps, 'step')}, {steps} per epoch")


def learning_rate(recipe: Recipe, batch: int, trained: bool) -> Choice:
    """Choose the learning rate: lower for smaller batches, and where weights are trained."""
    fraction = min(1.0, batch / recipe.batch_size)
    rate = recipe.learning_rate * math.sqrt(fraction)
    causes = [f"batches of {batch}"] if fraction < 1 else []
    if trained:
        rate *= _FRACTION_OF_RATE
        causes.append("trained weights")
    reason = f"lower, for {' and '.join(causes)}" if causes else "that of the recipe"
    return Choice("learning rate", f"{float(f'{rate:.2g}'):g}", reason)


def ema_decay(recipe: Recipe, steps: int) -> float | None:
    """Choose the decay of the average of the weights: it spans a tenth of the run at most."""
    if recipe.ema_decay is None:
        return None
    return round(min(recipe.ema_decay, max(0.0, 1 - 10 / steps)), 5)
