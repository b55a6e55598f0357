"""What ``skinseg train`` reads and says."""

import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import skinseg
from skinseg.cli.console import say, stderr, stop
from skinseg.cli.options import parsed_labels
from skinseg.formatting import counted, duration, printable
from skinseg.interrupts import INTERRUPTED

if TYPE_CHECKING:
    import torch

    from skinseg.data import PairDataset, SegmentationDataset
    from skinseg.planning.plan import TrainingPlan
    from skinseg.training import Callback, Recipe

_LISTED = 10
_LINES = 20  # Epochs that get a line; a run has hundreds.
_KEPT = {
    "best": "Best epoch",
    "lowest_loss": "Epoch of the lowest validation loss",
    "last": "Last epoch, which was kept",
}


def open_parts(
    data: str,
    *,
    masks: str | None,
    val: str | None,
    val_masks: str | None,
    labels: str | None,
    any_label: bool | None,
) -> tuple["PairDataset", "PairDataset | None"]:
    """Open the images to learn from, and those that choose the epoch where they are apart.

    Args:
        data: Source of the images.
        masks: Folder of their masks where that is elsewhere.
        val: Source of those that choose the epoch; None where they are among the others.
        val_masks: As ``masks``.
        labels: What the values of all masks mean, as ``--labels`` has it.
        any_label: Whether every value but 0 is lesion.
    """
    meaning: dict[str, Any] = {"labels": parsed_labels(labels), "any_label": bool(any_label)}
    dataset = skinseg.data.open_dataset(data, masks=masks, **meaning)
    if val is None and val_masks is not None:
        stop("--val-masks are the masks of --val; name that, too.")
    val_set = None if val is None else skinseg.data.open_dataset(val, masks=val_masks, **meaning)
    if val_set is not None and set(dataset.ids) & set(val_set.ids):
        # Cameras count from 1 in every folder: equal names are no equal images.
        val_set = val_set.renamed([f"val/{name}" for name in val_set.ids])
    return dataset, val_set


def show_left_out(plan: "TrainingPlan") -> None:
    """Print which images are not used, and why."""
    reasons = list(plan.left_out.values())
    if reasons:
        say(f"Left out, {counted(len(reasons), 'image')}:", stderr)
        for reason in reasons[:_LISTED]:
            say(f"  {reason}", stderr)
        if len(reasons) > _LISTED:
            say(f"  ... and {len(reasons) - _LISTED} more", stderr)


def show_plan(
    plan: "TrainingPlan", device: "torch.device", *, going_on: Path | None = None
) -> None:
    """Print what is trained with and why, and what the user should know."""
    begun = f"Going on with the run in '{going_on}', planned so:" if going_on else "Plan:"
    say(f"{begun} {len(plan.train)} training images, {len(plan.validation)} validation images")
    rows = [(choice.name, choice.value, choice.reason) for choice in plan.choices]
    rows.append(("device", str(device), ""))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for name, value, reason in rows:
        say(f"  {name:<{widths[0]}}  {value:<{widths[1]}}  {reason}".rstrip())
    for note in plan.notes:
        say(f"Note: {note}")


def rehearse(
    plan: "TrainingPlan",
    parts: tuple["SegmentationDataset", "SegmentationDataset"],
    device: "torch.device",
    *,
    folds: int | None = None,
    quiet: bool,
) -> None:
    """Train two steps of a plan, or of the first of several folds, and print the time of all."""
    found = skinseg.planning.rehearse(plan, *parts, device=device)
    if quiet:
        return
    whole = duration(found.seconds * (folds or 1))
    one = f"{duration(found.seconds)} per fold"
    if folds is None:
        one = f"{duration(found.seconds_per_epoch)} per epoch"
    say(f"Estimated time: {whole}, {one} (two steps were timed).")


@contextmanager
def stopping_reported() -> Iterator[None]:
    """Where Ctrl-C ends a training, say how it goes on."""
    try:
        yield
    except KeyboardInterrupt:
        stop("stopped; the same command with --resume goes on.", INTERRUPTED)


class EpochLines:
    """Prints a line for the first epoch, the last, and about twenty between.

    Args:
        epochs: Number of epochs of the whole run.
        run: Folder of the run; the best of the epochs that it has already counts, too.
    """

    def __init__(self, epochs: int, run: Path) -> None:
        self.epochs = epochs
        self.every = -(-epochs // _LINES)
        earlier = []
        if (run / "checkpoint.pt").is_file():
            earlier = json.loads((run / "log.json").read_text(encoding="utf-8"))
        self.best = max((entry["validation"]["pooled_iou"] for entry in earlier), default=-1.0)

    def on_start(self, *_: Any) -> None:
        """Nothing is printed yet."""

    def on_end(self) -> None:
        """Nothing is open."""

    def on_epoch(self, entry: Mapping[str, Any]) -> None:
        """Take the entry of an epoch."""
        epoch, iou = entry["epoch"], entry["validation"]["pooled_iou"]
        self.best = max(self.best, iou)
        if epoch == 1 or epoch % self.every == 0 or epoch == self.epochs:
            line = (
                f"epoch {epoch} of {self.epochs}: loss {entry['loss']:.4f}, "
                f"validation IoU {iou:.4f}, best {self.best:.4f}"
            )
            # Through sys.stderr, which the progress bar keeps clear of.
            print(line, file=sys.stderr, flush=True)


def callbacks_of(
    run: Path, epochs: int, loggers: Sequence[str], *, quiet: bool
) -> "list[Callback]":
    """What a run tells: lines for people, unless it is quiet, and the loggers asked for."""
    lines: list[Callback] = [] if quiet else [EpochLines(epochs, run)]
    return [*lines, *map(skinseg.training.get_logger, loggers)]


def show_result(log: list[dict[str, Any]], recipe: "Recipe", run: Path, report: Path) -> None:
    """Print the epoch that was kept, and what to do with the result."""
    kept = skinseg.training.kept_epoch(log, recipe.keep)
    scores = log[kept - 1]["validation"]
    decided = skinseg.training.decided_by_validation(recipe.to_dict())
    role = "chose it" if recipe.keep != "last" else decided or "did not choose it"
    say(
        f"{_KEPT[recipe.keep]}: {kept} of {len(log)}, lesion IoU {scores['pooled_iou']:.4f}, "
        f"Dice {scores['pooled_dice']:.4f} on {scores['images']} validation images, which {role}."
    )
    say(f"Report: {printable(str(report))}")
    source = shlex.quote(f"local-dir:{run}")
    say(f"Use it: skinseg predict IMAGES --model {source} --output MASKS")
