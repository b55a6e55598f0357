"""What to train with, chosen from the data: every choice with its reason."""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from skinseg.complexity import count_parameters
from skinseg.data import BrokenDatasetError, SegmentationDataset
from skinseg.factory import create_model
from skinseg.files import write_text
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
        options: Options of the command that begins the run: how its images and masks are opened,
            and how they are split.
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
    options: dict[str, Any] = dataclasses.field(default_factory=dict)

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
        write_text(Path(folder, PLAN_NAME), text, errors="backslashreplace")

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
    groups: Mapping[str, str] | None = None,
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
        val_fraction: That part's fraction of the images; chosen from the number of images if None.
        groups: The patient or lesion of each image, by id; see :func:`skinseg.data.read_groups`.
            Images of one group are on one side of the split.
        recipe: One of :func:`skinseg.training.list_recipes`.
        pretrained: Begin with trained weights, or do not; chosen if None.
        strict: Refuse a data set with anything broken, rather than leave it out.
        progress: Show progress bars on standard error.
        **settings: Settings of :class:`Recipe`, used as they are.

    Raises:
        BrokenDatasetError: If there are too few images, none with a lesion is left to learn from,
            masks hold values that mean nothing, or something is broken and ``strict`` is set.
        ValueError: If network, recipe or a setting is wrong.

    Example:
        >>> from skinseg.data import SyntheticDermoscopy
        >>> plan = plan_training(SyntheticDermoscopy(10, 64), "malunet", progress=False, epochs=3)
        >>> plan.recipe.epochs, plan.recipe.size, len(plan.train), len(plan.validation)
        (3, 64, 6, 4)
    """
    if val_fraction is not None and not 0 < val_fraction < 1:
        raise ValueError(f"val_fraction must be above 0 and below 1, not {val_fraction}")
    for name, given in (("groups are", groups), ("val_fraction is", val_fraction)):
        if given is not None and val_set is not None:
            raise ValueError(f"{name} for a split of the data; validation images are given already")
    asked = _Asked.of(model, recipe, pretrained, settings)
    found = survey(dataset, strict=strict, progress=progress)
    validation = None
    if val_set is not None:
        validation = survey(val_set, strict=strict, progress=progress)
        found = found.without(seen_elsewhere(found, validation))
    _refuse_unusable(found)
    return asked.plan(found, validation, *_split(found, validation, val_fraction, asked, groups))


def plan_folds(
    dataset: SegmentationDataset,
    model: str,
    folds: int,
    *,
    groups: Mapping[str, str] | None = None,
    recipe: str = CHOSEN_RECIPE,
    pretrained: bool | None = None,
    strict: bool = False,
    progress: bool = True,
    **settings: Any,
) -> list[TrainingPlan]:
    """Plan a cross-validation: a run for each fold, with one size and one beginning for all.

    Args:
        dataset: Images with masks.
        model: As for :func:`plan_training`.
        folds: How many, 2 or more.
        groups: The patient or lesion of each image, by id. Images of one group, and images that
            show one picture, are on one side of every fold.
        recipe: As for :func:`plan_training`.
        pretrained: As for :func:`plan_training`.
        strict: As for :func:`plan_training`.
        progress: As for :func:`plan_training`.
        **settings: Settings of :class:`Recipe`, used as they are.

    Returns:
        A plan per fold. Every image that can be used is a validation image of one of them.

    Raises:
        BrokenDatasetError, ValueError: As :func:`plan_training`; also if there are fewer groups
            than folds.

    Example:
        >>> from skinseg.data import SyntheticDermoscopy
        >>> plans = plan_folds(SyntheticDermoscopy(10, 64), "malunet", 5, progress=False, epochs=3)
        >>> [len(plan.validation) for plan in plans]
        [2, 2, 2, 2, 2]
    """
    asked = _Asked.of(model, recipe, pretrained, settings)
    found = survey(dataset, strict=strict, progress=progress)
    _refuse_unusable(found)
    together = found.group_of(groups)
    parts = found.dataset.folds(folds, asked.base.seed, together)
    reason = f"{counted(len(set(together.values())), 'group')}, each on one side of every fold"
    plans: list[TrainingPlan] = []
    for number, (train, chooses) in enumerate(parts, start=1):
        split = Choice("validation", f"{len(chooses)}, fold {number} of {folds}", reason)
        plans.append(asked.plan(found, None, train, chooses, split))
        # One network is made of all: where they begin must not hang on a few images.
        asked = dataclasses.replace(asked, pretrained=plans[0].weights is not None)
    return plans


@dataclasses.dataclass(frozen=True)
class _Asked:
    """What the user wants of a plan, whatever the images are."""

    model: str
    network: SegmentationModel
    recipe: str
    base: Recipe
    pretrained: bool | None
    settings: Mapping[str, Any]

    @classmethod
    def of(
        cls, model: str, recipe: str, pretrained: bool | None, settings: Mapping[str, Any]
    ) -> "_Asked":
        if pretrained is False and ":" in model:
            raise ValueError(f"{model!r} always comes with its weights; name the network instead")
        base = get_recipe(recipe, **settings)
        network = create_model(model)
        if pretrained is None:
            pretrained = _implied(model, network.pretrained_cfg, recipe)
        return cls(model, network, recipe, base, pretrained, settings)

    def plan(
        self,
        found: Survey,
        validation: Survey | None,
        train: SegmentationDataset,
        chooses: SegmentationDataset,
        split: Choice,
    ) -> TrainingPlan:
        """Choose what is left to choose for a split."""
        weights = _weights(self.network, self.model)
        trained, begins = choices.begins_with(weights, len(train), self.pretrained)
        record = self.network.pretrained_cfg if trained else None
        if self.recipe == CHOSEN_RECIPE:
            # The recipe as it is named: its learning rate is for its own batch size.
            fitted, chosen = fit(get_recipe(self.recipe), self.settings, found, len(train), record)
        else:
            fitted, chosen = self.base, as_it_is(self.base, self.recipe, self.settings)
        sets = {"Images used": found}
        if validation is not None:
            sets = {"Training images": found, "Validation images": validation}
        memory = memory_bytes(found, len(train) + len(chooses), fitted.size)
        return TrainingPlan(
            model=self.model,
            weights=weights if trained else None,
            recipe_name=self.recipe,
            recipe=fitted,
            train=list(train.ids),
            validation=list(chooses.ids),
            separate=validation is not None,
            left_out={**found.left_out, **(validation.left_out if validation else {})},
            choices=[_network(self.model, self.network), begins, split, *chosen],
            notes=[
                *_other_network(self.recipe, self.network.architecture),
                *remarks(found, len(chooses), record, memory),
            ],
            data={
                "sets": {name: images.to_dict() for name, images in sets.items()},
                "memory_bytes": memory,
            },
        )


def _split(
    found: Survey,
    validation: Survey | None,
    fraction: float | None,
    asked: _Asked,
    groups: Mapping[str, str] | None,
) -> tuple[SegmentationDataset, SegmentationDataset, Choice]:
    if validation is not None:
        given = Choice("validation", counted(len(validation), "image"), "as given")
        return found.dataset, validation.dataset, given
    chosen, reason = choices.validation_fraction(len(found))
    if fraction is not None:
        chosen, reason = fraction, "as asked"
    together = found.group_of(groups)
    if groups is not None:
        kept = counted(len(set(together.values())), "group")
        reason += f", of {kept} that are each on one side"
    parts = found.dataset.random_split((1 - chosen, chosen), asked.base.seed, groups=together)
    train, chooses = parts
    value = f"{len(chooses)} of {counted(len(found), 'image')}"
    return train, chooses, Choice("validation", value, reason)


def _refuse_unusable(found: Survey) -> None:
    """Refuse images that are too few, or of which none with a lesion is left."""
    refusal = found.too_few
    if refusal is None and not found.lesion_fractions.any():
        refusal = (
            f"None of the {counted(len(found), 'training image')} that are left has a lesion: all "
            "with one show the same pictures as validation images. Take these out of the "
            "validation images, or add training images with lesions."
        )
    if refusal is not None:
        raise BrokenDatasetError(refusal + _reasons(found.left_out))


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
