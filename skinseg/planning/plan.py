"""What to train with, chosen from the data: every choice with its reason."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import torch

from skinseg.complexity import count_parameters
from skinseg.data import BrokenDatasetError, SegmentationDataset
from skinseg.factory import create_model
from skinseg.files import write_atomically
from skinseg.formatting import counted
from skinseg.models.base import SegmentationModel
from skinseg.names import RECIPE_NETWORKS
from skinseg.planning import choices
from skinseg.planning.choices import Choice
from skinseg.planning.fitting import as_it_is, fit
from skinseg.planning.remarks import memory_bytes, remarks
from skinseg.planning.survey import Survey, seen_elsewhere, survey
from skinseg.pretrained import PretrainedCfg
from skinseg.training.recipe import Recipe
from skinseg.training.recipes import get_recipe

PLAN_NAME = "plan.json"
CHOSEN_RECIPE = "skinseg"
"""The recipe whose settings are fitted to the data; the others are used as they are."""


@dataclasses.dataclass(frozen=True)
class TrainingPlan:
    """All that a run is made with, but the images themselves.

    Attributes:
        model: Network, as :func:`skinseg.create_model` takes it.
        weights: Name of the trained weights that it begins with, or None.
        recipe_name: The recipe that was asked for.
        recipe: Settings.
        train: Ids of the images to learn from.
        validation: Ids of the images that choose the epoch.
        separate: Whether these are of a data set of their own.
        left_out: Reason for each image that is not used, by id.
        choices: The settings that were chosen, with reasons.
        notes: What the user should know of the data.
        data: Figures of the data.
    """

    model: str
    weights: str | None
    recipe_name: str
    recipe: Recipe
    train: list[str]
    validation: list[str]
    separate: bool
    left_out: dict[str, str]
    choices: list[Choice]
    notes: list[str]
    data: dict[str, Any]

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> "TrainingPlan":
        """Read the plan of a run.

        Raises:
            ValueError: If the file is not a plan.
            OSError: If there is none.
        """
        path = Path(folder, PLAN_NAME)
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            values["recipe"] = Recipe.from_dict(values["recipe"])
            values["choices"] = [Choice(**choice) for choice in values["choices"]]
            return cls(**values)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} is not the plan of a training run: {error}") from error

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Write the plan into the folder of its run."""
        values = {**dataclasses.asdict(self), "recipe": self.recipe.to_dict()}
        text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
        # Names of files need not be text; what they are instead is escaped, and read back.
        content = text.encode("utf-8", "backslashreplace")
        write_atomically(Path(folder, PLAN_NAME), lambda path: path.write_bytes(content))

    def network(self) -> SegmentationModel:
        """Make the network, with the weights that it begins with."""
        torch.manual_seed(self.recipe.seed)
        return create_model(self.model, pretrained=self.weights is not None)

    def parts(
        self, dataset: SegmentationDataset, val_set: SegmentationDataset | None = None
    ) -> tuple[SegmentationDataset, SegmentationDataset]:
        """Return the training and the validation images of the data that was planned for.

        Raises:
            DatasetError: If images are no longer there.
            ValueError: If validation images of their own are missing, or were not planned for.
        """
        if self.separate != (val_set is not None):
            raise ValueError(
                "the run has validation images of its own; give them again"
                if self.separate
                else "the run took its validation images from the data; give none"
            )
        chosen = (dataset if val_set is None else val_set).subset(self.validation)
        return dataset.subset(self.train), chosen


def plan_training(
    dataset: SegmentationDataset,
    model: str,
    *,
    val_set: SegmentationDataset | None = None,
    val_fraction: float | None = None,
    recipe: str = CHOSEN_RECIPE,
    pretrained: bool | None = None,
    strict: bool = False,
    progress: bool = True,
    **settings: Any,
) -> TrainingPlan:
    """Check a data set and choose what to train with.

    With the recipe ``"skinseg"``, size, batch size, epochs and learning rate follow from the data;
    other recipes are used as they are. Images that show one picture are never on both sides of
    the split.

    Args:
        dataset: Images with masks.
        model: Network: ``arch``, ``arch.tag``, ``local-dir:...`` or ``hf-hub:...``.
        val_set: Images that choose the epoch; if None, a part of ``dataset``.
        val_fraction: That part's share; chosen from the number of images if None.
        recipe: One of :func:`skinseg.training.list_recipes`.
        pretrained: Begin with trained weights, or do not; chosen if None.
        strict: Refuse a data set with anything broken, rather than leave it out.
        progress: Show progress bars on standard error.
        **settings: Settings of :class:`Recipe`, used as they are.

    Raises:
        BrokenDatasetError: If there are too few images, masks hold values that mean nothing, or
            something is broken and ``strict`` is set.
        ValueError: If network, recipe or a setting is wrong.

    Example:
        >>> from skinseg.data import SyntheticDermoscopy
        >>> plan = plan_training(SyntheticDermoscopy(10, 64), "malunet", progress=False, epochs=3)
        >>> plan.recipe.epochs, plan.recipe.size, len(plan.train), len(plan.validation)
        (3, 64, 6, 4)
    """
    if pretrained is False and ":" in model:
        raise ValueError(f"{model!r} always comes with its weights; name the network instead")
    if val_fraction is not None and not 0 < val_fraction < 1:
        raise ValueError(f"val_fraction must be above 0 and below 1, not {val_fraction}")
    base = get_recipe(recipe, **settings)
    network = create_model(model)
    found = survey(dataset, strict=strict, progress=progress)
    validation = None
    if val_set is not None:
        validation = survey(val_set, strict=strict, progress=progress)
        found = found.without(seen_elsewhere(found, validation))
    if found.too_few:
        raise BrokenDatasetError(found.too_few + _reasons(found.left_out))
    train_set, chooses, split = _split(found, validation, val_fraction, base.seed)
    weights = _weights(network, model)
    if pretrained is None:
        pretrained = _implied(model, network.pretrained_cfg, recipe)
    trained, begins = choices.begins_with(weights, len(train_set), pretrained)
    record = network.pretrained_cfg if trained else None
    if recipe == CHOSEN_RECIPE:
        fitted, chosen = fit(base, settings, found, len(train_set), record)
    else:
        fitted, chosen = base, as_it_is(base, recipe, settings)
    left_out = {**found.left_out, **(validation.left_out if validation else {})}
    sets = {"Images used": found}
    if validation is not None:
        sets = {"Training images": found, "Validation images": validation}
    memory = memory_bytes(found, len(train_set) + len(chooses), fitted.size)
    return TrainingPlan(
        model=model,
        weights=weights if trained else None,
        recipe_name=recipe,
        recipe=fitted,
        train=list(train_set.ids),
        validation=list(chooses.ids),
        separate=val_set is not None,
        left_out=left_out,
        choices=[_network(model, network), begins, split, *chosen],
        notes=[
            *_other_network(recipe, network.architecture),
            *remarks(found, len(chooses), record, memory),
        ],
        data={
            "sets": {name: images.to_dict() for name, images in sets.items()},
            "memory_bytes": memory,
        },
    )


def _split(
    found: Survey, validation: Survey | None, fraction: float | None, seed: int
) -> tuple[SegmentationDataset, SegmentationDataset, Choice]:
    if validation is not None:
        given = Choice("validation", counted(len(validation), "image"), "as given")
        return found.dataset, validation.dataset, given
    share, reason = choices.validation_share(len(found))
    if fraction is not None:
        share, reason = fraction, "as asked"
    train, chooses = found.dataset.random_split((1 - share, share), seed, groups=found.group_of)
    return (
        train,
        chooses,
        Choice("validation", f"{len(chooses)} of {counted(len(found), 'image')}", reason),
    )


def _reasons(left_out: dict[str, str]) -> str:
    if not left_out:
        return ""
    return " Left out:" + "".join(f"\n  {reason}" for reason in list(left_out.values())[:10])


def _weights(network: SegmentationModel, model: str) -> str | None:
    record = network.pretrained_cfg
    if ":" in model:
        return model
    return record.name if record is not None else None


def _implied(model: str, record: PretrainedCfg | None, recipe: str) -> bool | None:
    """Whether names ask for trained weights or for none; None where it is to be chosen."""
    if ":" in model or "." in model:
        return True
    at_hand = record is not None and record.file is not None
    return None if at_hand and recipe == CHOSEN_RECIPE else False


def _other_network(recipe: str, architecture: str) -> list[str]:
    """Say that a recipe was published for another network."""
    published = RECIPE_NETWORKS.get(recipe)
    if published in (None, architecture):
        return []
    return [
        f"The recipe {recipe} was published for {published}, and you train {architecture} with its "
        "settings; the scores are not comparable with the paper's."
    ]


def _network(model: str, network: SegmentationModel) -> Choice:
    return Choice("network", model, f"{count_parameters(network).total:,} parameters")
