"""``skinseg train``: a network of one's own from a folder of images and masks."""

import dataclasses
import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import skinseg
from skinseg.cli.completion import complete_model, complete_recipe
from skinseg.cli.console import (
    errors_reported,
    interruption_reported,
    make_output_folder,
    say,
    stop,
)
from skinseg.cli.folds import planned_folds, train_folds
from skinseg.cli.options import NETWORKS, AnyLabel, Labels, Masks
from skinseg.cli.resuming import as_begun, begun_plans, refuse_changes
from skinseg.cli.training import (
    callbacks_of,
    open_parts,
    rehearse,
    show_left_out,
    show_plan,
    show_result,
    stopping_reported,
)
from skinseg.folder_lock import folder_lock
from skinseg.names import RECIPE_NETWORKS

if TYPE_CHECKING:
    import torch

    from skinseg.data import SegmentationDataset
    from skinseg.planning.plan import TrainingPlan

# As good as EGE-UNet, and on a CPU nearly twice as fast to train.
_MODEL = "malunet"


def train(
    data: Annotated[
        str,
        typer.Option(
            help="Folder or zip with images/ and masks/; or isic2017:DIR:SPLIT, ph2:DIR, as "
            "in evaluate."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help=f"Network: {NETWORKS}. That of the paper with its recipe, malunet otherwise.",
            autocompletion=complete_model,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the run; runs/DATA if absent.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="paper-malunet, paper-egeunet, paper-lmsaunet; skinseg, fitted to the data; or a "
            "JSON file, such as the recipe.json of a run.",
            autocompletion=complete_recipe,
        ),
    ] = None,
    val: Annotated[
        str | None, typer.Option(help="Images that choose the best epoch, as --data.")
    ] = None,
    masks: Masks = None,
    val_masks: Annotated[
        Path | None, typer.Option(help="Folder of the masks of --val, as --masks.")
    ] = None,
    val_fraction: Annotated[
        float | None, typer.Option(help="Without --val: fraction of the images that chooses it.")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(help="Cross-validate: as many runs, and the ensemble of their networks."),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            help="CSV with an image and its patient or lesion per line; none is on two sides of a "
            "split."
        ),
    ] = None,
    pretrained: Annotated[
        bool | None,
        typer.Option(
            "--pretrained/--from-scratch", help="Begin with trained weights; chosen if absent."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.")] = None,
    size: Annotated[int | None, typer.Option(help="Side that images are resized to.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per step.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adamw or muon.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    early_stop: Annotated[
        int | None, typer.Option(help="End after as many epochs without a better score.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Random seed for split, first weights and augmentation; 0 if absent."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, mps, ...; a GPU if there is one.")
    ] = None,
    labels: Labels = None,
    any_label: AnyLabel = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a folder with a broken file.")
    ] = False,
    logger: Annotated[
        list[str] | None,
        typer.Option(help="Also log to tensorboard or wandb; may be given several times."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check all files, train two steps, write nothing."),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the output folder.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no plan.")] = False,
) -> None:
    """Train a network on your own images and masks.

    All files are checked first; what is broken is named and left out. Settings that are not given
    are chosen from the data, and printed with the reason. The run ends with DIR/report.html.
    """
    given = {
        "epochs": epochs,
        "size": size,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "early_stop": early_stop,
        "seed": seed,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    loggers = logger or []
    is_main = _is_main()
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    quiet = quiet or not is_main
    before = "training had not begun, and no file was changed."
    with errors_reported(), interruption_reported(before):
        place = skinseg.inference.usable_device(device or skinseg.inference.best_device())
        run = output or Path("runs") / (skinseg.data.DatasetSource.parse(data).name or "run")
        _refuse(run, resume=resume or dry_run)
        for name in loggers:
            skinseg.training.get_logger(name)  # What is not installed is told before anything runs.
        begun = planned_folds(run) if resume else 0
        _refuse_folds(run, folds, begun, val, val_fraction, several=several)
        together = None if groups is None else skinseg.data.read_groups(groups)
        if dry_run and several:
            stop("--dry-run is for one process; leave torchrun out.")
        begun_as = begun_plans(run, begun) if resume else []
        meaning = {"labels": labels, "any_label": any_label or None}
        asked = {"model": model, "recipe": recipe, "val_fraction": val_fraction, **meaning}
        opening: dict[str, Any] = {"masks": _text(masks), "val": val, **meaning}
        opening["val_masks"] = _text(val_masks)
        for one in begun_as:
            refuse_changes(run, one, {**asked, **settings}, pretrained, together or {})
            opening = as_begun(one, opening)
        dataset, val_set = open_parts(data, **opening)
        network = model or RECIPE_NETWORKS.get(recipe or "") or _MODEL
        how: dict[str, Any] = {"recipe": recipe or "skinseg", "pretrained": pretrained}
        how |= {"groups": together, "strict": strict, "progress": not quiet, **settings}
        if folds or begun:
            plans = begun_as or [
                dataclasses.replace(plan, options=opening)
                for plan in skinseg.planning.plan_folds(dataset, network, folds or 0, **how)
            ]
            train_folds(
                plans,
                dataset,
                run,
                place,
                resumed=bool(begun_as),
                dry_run=dry_run,
                loggers=loggers,
                quiet=quiet,
            )
            return
        if begun_as:
            [plan] = begun_as
        else:
            plan = skinseg.planning.plan_training(
                dataset, network, val_set=val_set, val_fraction=val_fraction, **how
            )
            plan = dataclasses.replace(plan, options={**opening, "val_fraction": val_fraction})
        resumed = bool(begun_as)
        if is_main:
            show_left_out(plan)
        if not quiet:
            show_plan(plan, place, going_on=run if resumed else None)
        parts = plan.parts(dataset, val_set)
        if dry_run or not (resumed or several):
            rehearse(plan, parts, place, quiet=quiet)
        if dry_run:
            say(f"Dry run: two steps went well; nothing was written to '{run}'.")
            return
        _run(plan, *parts, run, place, resume=resume, loggers=loggers, quiet=quiet)


def _is_main() -> bool:
    """Whether this process prints and writes, the first of those that torchrun starts."""
    return os.environ.get("RANK", "0") == "0"


def _refuse(run: Path, *, resume: bool) -> None:
    """End before the images are read where the output could not be written."""
    if run.exists() and not run.is_dir():
        stop(f"'{run}' is a file; the output of a run is a folder.")
    if ((run / "checkpoint.pt").is_file() or planned_folds(run)) and not resume:
        stop(
            f"'{run}' holds a training run already; --resume goes on with it, another --output "
            "leaves it alone."
        )


def _refuse_folds(
    run: Path,
    folds: int | None,
    begun: int,
    val: str | None,
    val_fraction: float | None,
    *,
    several: bool,
) -> None:
    """End where folds were asked for, or are gone on with, and cannot be."""
    if folds is None and not begun:
        return
    if folds is not None and folds < 2:
        stop(f"--folds must be 2 or more, not {folds}.")
    if folds and begun and folds != begun:
        stop(f"'{run}' was begun with --folds {begun}, not {folds}; leave --folds out.")
    if folds and (run / "checkpoint.pt").is_file():
        stop(f"'{run}' holds a training run without folds; choose another --output.")
    for option, value in (("--val", val), ("--val-fraction", val_fraction)):
        if value is not None:
            stop(f"{option} does not go with --folds: each image is a validation image once.")
    if several:
        stop("--folds is for one process; leave torchrun out.")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _run(
    plan: "TrainingPlan",
    train_set: "SegmentationDataset",
    val_set: "SegmentationDataset",
    run: Path,
    device: "torch.device",
    *,
    resume: bool,
    loggers: Sequence[str],
    quiet: bool,
) -> None:
    is_main = _is_main()
    progress = not quiet
    with stopping_reported():
        told = callbacks_of(run, plan.recipe.epochs, loggers if is_main else (), quiet=quiet)
        if is_main:
            make_output_folder(run)
        with folder_lock(run) if is_main else nullcontext():
            if is_main:
                # Another process may have trained there while the images were looked at.
                _refuse(run, resume=resume)
                plan.write(run)
            log = skinseg.training.train(
                plan.network(),
                train_set,
                val_set,
                run,
                plan.recipe,
                resume=resume,
                device=device,
                progress=progress,
                callbacks=told,
            )
            if is_main:
                report = skinseg.reports.write_training_report(
                    run, val_set, device=device, progress=progress
                )
                show_result(log, plan.recipe, run, report)
