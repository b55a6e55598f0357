"""A recipe fitted to the data."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from skinseg.data.normalization import Normalization
from skinseg.planning import choices
from skinseg.planning.choices import Choice
from skinseg.planning.survey import Survey
from skinseg.pretrained import PretrainedCfg
from skinseg.training.batches import piece_lengths
from skinseg.training.recipe import Recipe


def fit(
    base: Recipe,
    settings: Mapping[str, Any],
    found: Survey,
    images: int,
    record: PretrainedCfg | None,
) -> tuple[Recipe, list[Choice]]:
    """Fit a recipe to the data, but for the settings that the user gave.

    Args:
        base: The recipe as it is named, without these settings.
        settings: What the user gave.
        found: What the data are like.
        images: Number of training images.
        record: Of the weights that training begins with, if any.
    """
    trained = record is not None
    usual = choices.usual_size(base, record.input_size[1] if record is not None else None)
    chosen = [
        _given("size", settings)
        or choices.training_size(*usual, found.sizes, found.lesion_fractions),
        _given("batch_size", settings) or choices.batch_size(base, images),
    ]
    size, batch = (int(choice.value) for choice in chosen)
    chosen.append(_given("epochs", settings) or choices.epochs(images, batch, trained))
    chosen.append(_given("learning_rate", settings) or choices.learning_rate(base, batch, trained))
    epochs, rate = int(chosen[2].value), float(chosen[3].value)
    chosen += filter(None, [_given(name, settings) for name in ("optimizer", "early_stop")])
    changes: dict[str, Any] = {"size": size, "batch_size": batch, "epochs": epochs}
    changes["learning_rate"] = rate
    changes["final_learning_rate"] = min(base.final_learning_rate, rate)
    changes["ema_decay"] = choices.ema_decay(base, epochs * len(piece_lengths(images, batch)))
    if record is not None:
        changes["normalization"] = Normalization.from_dict(record.normalization)
    return dataclasses.replace(base, **{**changes, **settings}), chosen


def _given(name: str, settings: Mapping[str, Any]) -> Choice | None:
    if name not in settings:
        return None
    return Choice(name.replace("_", " "), f"{settings[name]}", "as asked")


def as_it_is(recipe: Recipe, name: str, settings: Mapping[str, Any]) -> list[Choice]:
    """Return the settings of a recipe that is used as it is, with where they come from."""
    return [
        _given(field, settings)
        or Choice(field.replace("_", " "), f"{getattr(recipe, field)}", f"of the recipe {name}")
        for field in ("size", "batch_size", "epochs", "learning_rate")
    ]
