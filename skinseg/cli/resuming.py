"""``skinseg train --resume``: what a run was begun with holds, and what is asked must agree."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import skinseg
from skinseg.cli.console import stop
from skinseg.cli.folds import fold_folder
from skinseg.cli.options import parsed_labels
from skinseg.formatting import counted

if TYPE_CHECKING:
    from skinseg.planning.plan import TrainingPlan


def begun_plans(run: Path, folds: int) -> "list[TrainingPlan]":
    """The plan of a run to go on with, or of each of its folds; none if it has none."""
    folders = [fold_folder(run, number) for number in range(1, folds + 1)] or [run]
    planned = [folder for folder in folders if (folder / skinseg.planning.PLAN_NAME).is_file()]
    return [skinseg.planning.TrainingPlan.read(folder) for folder in planned]


def as_begun(plan: "TrainingPlan", opening: Mapping[str, Any]) -> dict[str, Any]:
    """How images and masks are opened: what is not given now is as it was."""
    return {name: value or plan.options.get(name) for name, value in opening.items()}


def refuse_changes(
    run: Path,
    plan: "TrainingPlan",
    asked: Mapping[str, Any],
    pretrained: bool | None,
    groups: Mapping[str, str],
) -> None:
    """End where something is asked for that the run was not begun with.

    Args:
        run: Its folder.
        plan: As it was planned.
        asked: What is asked for now, by the options' names; None asks for nothing.
        pretrained: Whether it is asked to begin with trained weights.
        groups: The patient or lesion of each image, by id.
    """
    _refuse_other_settings(run, plan, asked)
    _refuse_other_beginning(run, plan, pretrained)
    _refuse_groups(run, plan, groups)


def _refuse_other_settings(run: Path, plan: "TrainingPlan", asked: Mapping[str, Any]) -> None:
    begun = {**plan.recipe.to_dict(), "optimizer": plan.recipe.optimizer, **plan.options}
    begun |= {"model": plan.model, "recipe": plan.recipe_name}
    for name, value in asked.items():
        # An earlier version did not write all of them down.
        if value is None or name not in begun or _same(name, value, begun[name]):
            continue
        option = "--" + name.replace("_", "-")
        known = begun[name] not in (None, False)
        way = f"with {option} {begun[name]}, not {value}" if known else f"without {option}"
        stop(f"'{run}' was begun {way}; leave {option} out, or choose another --output.")


def _refuse_other_beginning(run: Path, plan: "TrainingPlan", pretrained: bool | None) -> None:
    if pretrained is not None and pretrained != (plan.weights is not None):
        began = "random weights" if plan.weights is None else f"the weights {plan.weights}"
        option = "--pretrained" if pretrained else "--from-scratch"
        stop(f"'{run}' began with {began}; leave {option} out, or choose another --output.")


def _refuse_groups(run: Path, plan: "TrainingPlan", groups: Mapping[str, str]) -> None:
    train, validation = (
        {groups[name] for name in part if name in groups} for part in (plan.train, plan.validation)
    )
    both = sorted(train & validation)
    if both:
        stop(
            f"images of {counted(len(both), 'group')}, {both[0]} among them, are on both sides of "
            f"the split that '{run}' was begun with; leave --groups out, or choose another "
            "--output."
        )


def _same(name: str, value: Any, begun: Any) -> bool:
    """Whether an option is as it was; there are several ways to write labels."""
    if name == "labels":
        return parsed_labels(value) == parsed_labels(begun)
    return bool(value == begun)
