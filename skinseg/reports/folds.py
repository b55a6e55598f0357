"""The report of a cross-validation: scores over the folds, and of all images together."""

import dataclasses
import json
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from skinseg.csv_files import write_csv
from skinseg.evaluation import Case, EvaluationResult, Summary, summarize
from skinseg.evaluation.definitions import LABELS
from skinseg.files import write_json, write_text
from skinseg.formatting import counted
from skinseg.hub import read_local_dir
from skinseg.reports.curves import CHART_STYLE
from skinseg.reports.page import dice_histogram, document, html_table
from skinseg.reports.tables import Table, score_table
from skinseg.reports.training import REPORT_NAME, REPORT_STYLE, score_cards, use_lines
from skinseg.training.epoch_choice import decided_by_validation

FOLDS_NAME = "folds.json"
PER_IMAGE_NAME = "per_image.csv"
_COLUMNS = {"pooled_iou": "IoU, pooled", "mean_dice": "Mean Dice", "mean_hd95": "Mean HD95"}


@dataclasses.dataclass(frozen=True, eq=False)
class FoldsSummary:
    """The scores of a cross-validation, at the images' own sizes.

    Attributes:
        folds: For each fold its folder, numbers of images, and scores.
        over_folds: Mean, sample standard deviation, least and most of each score of the folds.
        out_of_fold: Scores of all images together, each by the network that did not learn from it.
        cases: For each fold, the scores of each of its validation images.
    """

    folds: list[dict[str, Any]]
    over_folds: dict[str, dict[str, float]]
    out_of_fold: Summary
    cases: list[list[Case]]

    def to_dict(self) -> dict[str, Any]:
        """Return all but the cases as JSON data."""
        return {
            "folds": self.folds,
            "over_folds": self.over_folds,
            "out_of_fold": self.out_of_fold.to_dict(),
        }


def summarize_folds(
    runs: Sequence[str | os.PathLike[str]], results: Sequence[EvaluationResult]
) -> FoldsSummary:
    """Summarize the runs of a cross-validation.

    Args:
        runs: The folder of each fold's run, two or more.
        results: What :func:`skinseg.evaluation.evaluate` returned for each run's own validation
            images, scored at their own size.

    Raises:
        OSError: If the folder of a run lacks its files.
    """
    folds = []
    for run, result in zip(map(Path, runs), results, strict=True):
        record = read_local_dir(run)
        scores = {name: score.value for name, score in result.summaries["own"].scores.items()}
        log = json.loads((run / "log.json").read_text(encoding="utf-8"))
        folds.append(
            {
                "folder": run.name,
                "train": record.training_data["images"],
                "validation": result.images,
                "epochs": len(log),
                "kept_epoch": record.recipe["epoch"],
                "scores": scores,
            }
        )
    over = {}
    for name in folds[0]["scores"]:
        values = [fold["scores"][name] for fold in folds]
        spread = {"mean": fmean(values), "std": stdev(values)}
        over[name] = {**spread, "least": min(values), "most": max(values)}
    cases = [result.cases["own"] for result in results]
    return FoldsSummary(folds, over, summarize([case for part in cases for case in part]), cases)


def write_folds_report(run: str | os.PathLike[str], summary: FoldsSummary) -> Path:
    """Write ``folds.json``, ``per_image.csv`` and ``report.html`` of a cross-validation.

    Args:
        run: The folder that holds the folders of the folds and the ensemble.
        summary: What :func:`summarize_folds` returned.

    Returns:
        The page.

    Raises:
        OSError: If the folder lacks the ensemble, or cannot be written to.
    """
    run = Path(run)
    write_json(run / FOLDS_NAME, summary.to_dict())
    rows = [
        {"fold": number, **case.to_dict()}
        for number, cases in enumerate(summary.cases, start=1)
        for case in cases
    ]
    write_csv(run / PER_IMAGE_NAME, list(rows[0]), rows)
    # Names of files need not be text.
    write_text(run / REPORT_NAME, _page(run, summary), errors="replace")
    return run / REPORT_NAME


def _page(run: Path, summary: FoldsSummary) -> str:
    architecture = read_local_dir(run).model_args["architecture"]
    title = f"{architecture}, {counted(len(summary.folds), 'fold')}"
    all_images = summary.out_of_fold
    links = ", ".join(
        f'<a href="{escape(fold["folder"])}/{REPORT_NAME}">{escape(fold["folder"])}</a>'
        for fold in summary.folds
    )
    subtitle = (
        f"Run '{run.name}': {counted(all_images.images, 'image')}, each scored once, at its own "
        "size, by the network that did not learn from it."
    )
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="faint">{escape(subtitle)}</p>',
        score_cards(all_images),
        _caution(run / summary.folds[0]["folder"]),
        html_table(_folds_table(summary)),
        f'<p class="faint">The report of each: {links}.</p>',
        html_table(_spread_table(summary)),
        html_table(score_table("each by the fold that left it out", all_images)),
        dice_histogram([case.scores["dice"] for cases in summary.cases for case in cases]),
        *use_lines(run),
        '<p class="note">For research. Not a medical device.</p>',
    ]
    return document(title, body, CHART_STYLE + REPORT_STYLE)


def _caution(fold: Path) -> str:
    """Say how far the scores are to be trusted, as HTML."""
    decided = decided_by_validation(read_local_dir(fold).recipe)
    part = "The last epoch of each fold was kept, whatever its scores were."
    if decided is not None:
        part = (
            f"In each fold <b>the validation images {decided}</b>, so that these scores are a "
            "little too good."
        )
    return (
        f'<p class="warning">{part} The ensemble of all folds has learned from every image: none '
        "of them can tell how good it is.</p>"
    )


def _folds_table(summary: FoldsSummary) -> Table:
    rows = [
        [
            fold["folder"],
            str(fold["train"]),
            str(fold["validation"]),
            f"{fold['kept_epoch']} of {fold['epochs']}",
            *(f"{fold['scores'][name]:.4f}" for name in _COLUMNS),
        ]
        for fold in summary.folds
    ]
    header = ["Fold", "Training images", "Validation images", "Epoch kept", *_COLUMNS.values()]
    return Table("The folds", header, rows)


def _spread_table(summary: FoldsSummary) -> Table:
    rows = []
    for name, spread in summary.over_folds.items():
        kind, _, score = name.partition("_")
        cells = (f"{spread[key]:.4f}" for key in ("mean", "std", "least", "most"))
        rows.append([f"{LABELS[score]}, {kind}", *cells])
    header = ["Score", "Mean of folds", "Standard deviation", "Least", "Most"]
    return Table("Over the folds", header, rows)
