"""``skinseg train --folds``: a run for each fold, and one network of all."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import skinseg
from skinseg.cli.console import errors_reported, make_output_folder, say
from skinseg.cli.training import (
    callbacks_of,
    rehearse,
    show_left_out,
    show_plan,
    stopping_reported,
)
from skinseg.folder_lock import folder_lock
from skinseg.formatting import counted, printable

if TYPE_CHECKING:
    import torch

    from skinseg.data import PairDataset, SegmentationDataset
    from skinseg.evaluation import EvaluationResult
    from skinseg.planning.plan import TrainingPlan

_RECORDED = ("pooled_iou", "pooled_dice", "mean_iou", "mean_dice")
_HEADLINE = {"pooled_iou": "lesion IoU", "mean_dice": "Dice per image"}


def fold_folder(run: Path, number: int) -> Path:
    """The folder of a fold's run, counted from 1."""
    return run / f"fold{number}"


def planned_folds(run: Path) -> int:
    """How many folds a run was planned with; 0 if it is none of several folds."""
    number = 0
    while (fold_folder(run, number + 1) / skinseg.planning.PLAN_NAME).is_file():
        number += 1
    return number


def train_folds(
    plans: Sequence["TrainingPlan"],
    dataset: "PairDataset",
    run: Path,
    device: "torch.device",
    *,
    resumed: bool,
    dry_run: bool,
    loggers: Sequence[str],
    quiet: bool,
) -> None:
    """Train fold after fold, then write the summary and the ensemble."""
    show_left_out(plans[0])
    if not quiet:
        show_plan(plans[0], device, going_on=run if resumed else None)
    if not resumed:
        rehearse(plans[0], plans[0].parts(dataset), device, folds=len(plans), quiet=quiet)
    if dry_run:
        say(f"Dry run: two steps went well; nothing was written to '{run}'.")
        return
    with stopping_reported():
        make_output_folder(run)
        with errors_reported(), folder_lock(run):
            if not resumed:
                # The first one last: where it is, all are.
                for number in range(len(plans), 0, -1):
                    make_output_folder(fold_folder(run, number))
                    plans[number - 1].write(fold_folder(run, number))
            results = [
                _train(plan, dataset, run, number, len(plans), device, loggers, quiet=quiet)
                for number, plan in enumerate(plans, start=1)
            ]
            _finish(run, results, plans)


def _train(
    plan: "TrainingPlan",
    dataset: "SegmentationDataset",
    run: Path,
    number: int,
    folds: int,
    device: "torch.device",
    loggers: Sequence[str],
    *,
    quiet: bool,
) -> "EvaluationResult":
    """Train a fold, unless its report says that it is done, and score its validation images."""
    folder = fold_folder(run, number)
    train_set, val_set = plan.parts(dataset)
    done = (folder / skinseg.reports.REPORT_NAME).is_file()
    if not quiet:
        say(f"Fold {number} of {folds}: {'trained already' if done else folder}")
    if not done:
        skinseg.training.train(
            plan.network(),
            train_set,
            val_set,
            folder,
            plan.recipe,
            resume=True,
            device=device,
            progress=not quiet,
            callbacks=callbacks_of(folder, plan.recipe.epochs, loggers, quiet=quiet),
        )
    scores = skinseg.evaluation.evaluate(
        skinseg.Predictor(f"local-dir:{folder}", device=device),
        val_set,
        sizes=("own",),
        data="validation",
        progress=not quiet,
    )
    if not done:
        skinseg.reports.write_training_report(
            folder, val_set, device=device, progress=not quiet, scores=scores
        )
    return scores


def _finish(
    run: Path, results: Sequence["EvaluationResult"], plans: Sequence["TrainingPlan"]
) -> None:
    """Write the ensemble and the summary, and say what came out."""
    folders = [fold_folder(run, number) for number in range(1, len(results) + 1)]
    summary = skinseg.reports.summarize_folds(folders, results)
    scores = {name: score.value for name, score in summary.out_of_fold.scores.items()}
    folds = counted(len(folders), "fold")
    images = sum(len(plan.validation) for plan in plans)
    decided = skinseg.training.decided_by_validation(plans[0].recipe.to_dict())
    chosen_by = "the validation images of each fold"
    if plans[0].recipe.keep == "last":
        ended = f", and its validation images {decided}" if decided else ""
        chosen_by = f"nothing; the last one of each fold is kept{ended}"
    skinseg.training.save_ensemble(
        folders,
        run,
        training_data={
            "images": images,
            "members": f"one for each of {folds}, each learned from the images of the others",
            "epoch_chosen_by": chosen_by,
        },
        metrics=[
            {
                "data": "members of the ensemble, each on the images that it did not learn from"
                + (f" and that {decided}" if decided else ""),
                **{name: scores[name] for name in _RECORDED},
                "images": images,
            }
        ],
    )
    report = skinseg.reports.write_folds_report(run, summary)
    for name, label in _HEADLINE.items():
        spread = summary.over_folds[name]
        say(
            f"Over {folds}: {label} {spread['mean']:.4f} (standard deviation {spread['std']:.4f}); "
            f"all images together {scores[name]:.4f}."
        )
    say(f"Report: {printable(str(report))}")
    source = shlex.quote(f"local-dir:{run}")
    say(f"Use the ensemble: skinseg predict IMAGES --model {source} --output MASKS")
