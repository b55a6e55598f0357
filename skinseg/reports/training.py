"""The report of a training run: one HTML file with everything in it."""

import json
import math
import os
import shlex
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import torch

from skinseg.data import SegmentationDataset
from skinseg.evaluation import EvaluationResult, Summary, evaluate
from skinseg.files import write_text
from skinseg.formatting import counted, duration
from skinseg.hub import read_local_dir
from skinseg.inference import Predictor
from skinseg.planning.plan import PLAN_NAME, TrainingPlan
from skinseg.reports.curves import CHART_STYLE, chart
from skinseg.reports.evaluation import evaluation_tables
from skinseg.reports.gallery import draw_gallery
from skinseg.reports.page import dice_histogram, document, gallery_sections, html_table
from skinseg.reports.tables import Table
from skinseg.training.callbacks import figures
from skinseg.training.epoch_choice import decided_by_validation

REPORT_NAME = "report.html"
_CASES = 4
_HEADLINE = {
    "pooled_iou": "lesion IoU, pooled",
    "pooled_dice": "lesion Dice, pooled",
    "mean_dice": "Dice, mean of images",
    "mean_sensitivity": "fraction of lesion pixels found",
}
_FIGURES = {
    "width": "Width, pixels",
    "height": "Height, pixels",
    "lesion_fraction": "Lesion, fraction of the image",
}
# Figures of the log, by the name that a line has in each chart.
_CURVES = {
    "Loss": {"training": "loss", "validation": "validation/loss"},
    "Validation": {"pooled IoU": "validation/pooled_iou", "mean Dice": "validation/mean_dice"},
    "Learning rate": {"learning rate": "learning_rate"},
}

REPORT_STYLE = """
.cards {
  display: grid; gap: 1rem; margin-top: 1.25rem;
  grid-template-columns: repeat(auto-fit, minmax(min(12rem, 100%), 1fr));
}
.cards div {
  background: var(--card); border: 1px solid var(--rule); border-radius: 10px;
  padding: .8rem 1rem;
}
.cards b { display: block; font-size: 1.6rem; font-weight: 600; line-height: 1.3; }
.cards small { display: block; color: var(--faint); font-size: .9rem; }
.warning {
  margin-top: 1rem; padding: .7rem 1rem; border-left: 4px solid var(--other);
  background: var(--card); border-radius: 0 8px 8px 0;
}
pre {
  margin: .75rem 0 0; padding: .8rem 1rem; overflow-x: auto; font-size: .9rem;
  background: var(--card); border: 1px solid var(--rule); border-radius: 10px;
}
ul { margin: .5rem 0 0; padding-left: 1.25rem; }
li { overflow-wrap: anywhere; }
td.words { white-space: normal; text-align: left; }
.settings th, .settings td { text-align: left; }
"""


def write_training_report(
    run: str | os.PathLike[str],
    val_set: SegmentationDataset,
    *,
    device: str | torch.device = "cpu",
    progress: bool = True,
    scores: EvaluationResult | None = None,
) -> Path:
    """Write ``report.html`` into the folder of a training run.

    The page needs no other file and no network: curves, the plan with its reasons, scores on the
    validation images, and the worst, median and best of them with true and predicted outlines.

    Args:
        run: Folder of the run.
        val_set: The validation images of the run; others that it did not learn from if it had
            none.
        device: Where to predict them.
        progress: Show a progress bar on standard error.
        scores: What :func:`skinseg.evaluation.evaluate` returned for the run's weights and
            ``val_set``, scored at own size; evaluated here if None.

    Returns:
        The file.

    Raises:
        OSError: If the folder lacks the files of a run, or cannot be written to.
        ValueError: If one of them is damaged.
    """
    run = Path(run)
    log, settings = _read(run / "log.json"), _read(run / "recipe.json")
    plan = TrainingPlan.read(run) if (run / PLAN_NAME).is_file() else None
    predictor = Predictor(f"local-dir:{run}", device=device)
    if scores is None:
        scores = evaluate(predictor, val_set, sizes=("own",), data="validation", progress=progress)
    record = read_local_dir(run)
    kept = record.recipe["epoch"]
    body = [
        *_head(record.architecture, run, plan, log, scores, kept),
        _caution(settings["recipe"]),
        *(f'<p class="warning">{escape(note)}</p>' for note in (plan.notes if plan else ())),
        _left_out(plan.left_out if plan else {}),
        *_curves(log, kept),
        gallery_sections(draw_gallery(predictor, val_set, scores, _CASES)),
        dice_histogram([case.scores["dice"] for case in scores.cases["own"]]),
        *map(html_table, evaluation_tables(scores)),
        *_plan(plan),
        _recipe(settings["recipe"]),
        *use_lines(run),
        '<p class="note">For research. Not a medical device.</p>',
    ]
    page = document(f"{record.architecture}: training", body, CHART_STYLE + REPORT_STYLE)
    # Names of files need not be text.
    write_text(run / REPORT_NAME, page, errors="replace")
    return run / REPORT_NAME


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _head(
    architecture: str,
    run: Path,
    plan: TrainingPlan | None,
    log: Sequence[dict[str, Any]],
    scores: EvaluationResult,
    kept: int,
) -> list[str]:
    seconds = sum(entry["seconds"] for entry in log)
    learned = f"{counted(len(plan.train), 'training image')}, " if plan else ""
    subtitle = (
        f"Run '{run.name}': {learned}{counted(scores.images, 'validation image')}, "
        f"{counted(len(log), 'epoch')}, {duration(seconds)} of learning. The weights of epoch "
        f"{kept} were kept."
    )
    return [
        f"<h1>{escape(architecture)}, trained on your images</h1>",
        f'<p class="faint">{escape(subtitle)}</p>',
        score_cards(scores.summaries["own"]),
    ]


def _caution(recipe: dict[str, Any]) -> str:
    """Say how far the scores are to be trusted, as HTML."""
    decided = decided_by_validation(recipe)
    part = "which did not choose the epoch: the last one was kept. New images will show lower ones"
    if decided is not None:
        images = "test images" if recipe["select_on_test"] else "validation images"
        part = (
            f"and <b>the {images} {decided}</b>: new images will show lower ones, and lower still"
        )
    return (
        f'<p class="warning">These are scores of the validation images at their own size, {part} '
        "where patients of the training images are among the validation images. Report scores of "
        "images that took no part in training, with <code>skinseg evaluate</code>.</p>"
    )


def score_cards(summary: Summary) -> str:
    """Return the main scores with their intervals, as HTML."""
    cards = []
    for name, label in _HEADLINE.items():
        score = summary.scores[name]
        interval = "" if score.low is None else f"95 %: {score.low:.3f} to {score.high:.3f}"
        cards.append(f"<div><b>{score.value:.3f}</b>{label}<small>{interval}</small></div>")
    return f'<div class="cards">{"".join(cards)}</div>'


def _left_out(reasons: dict[str, str]) -> str:
    if not reasons:
        return ""
    items = "".join(f"<li>{escape(reason)}</li>" for reason in reasons.values())
    return f"<h2>Left out: {counted(len(reasons), 'image')}</h2>\n<ul>{items}</ul>"


def _curves(log: Sequence[dict[str, Any]], kept: int) -> list[str]:
    found = [figures(entry) for entry in log]
    charts = []
    for title, names in _CURVES.items():
        # A run that keeps the last epoch needs no validation images.
        lines = {
            label: [entry.get(name, math.nan) for entry in found]
            for label, name in names.items()
            if any(name in entry for entry in found)
        }
        if lines:
            charts.append(chart(title, lines, marked=kept))
    return [
        "<h2>Curves</h2>",
        '<p class="faint">By epoch; the dashed line is the epoch that was kept. Training loss is '
        "that of changed images and, where the network has them, of auxiliary outputs too; "
        "validation is at the size of training.</p>",
        f'<div class="charts">{"".join(charts)}</div>',
    ]


def _plan(plan: TrainingPlan | None) -> list[str]:
    if plan is None:
        return []
    rows = "".join(
        f"<tr><td>{escape(choice.name)}</td><td>{escape(choice.value)}</td>"
        f'<td class="words">{escape(choice.reason)}</td></tr>'
        for choice in plan.choices
    )
    return [
        "<h2>What was chosen, and why</h2>",
        '<div class="wide"><table class="settings"><thead><tr><th>Setting</th><th>Value</th>'
        f"<th>Reason</th></tr></thead><tbody>{rows}</tbody></table></div>",
        *(html_table(_images(name, facts)) for name, facts in plan.data["sets"].items()),
    ]


def _images(name: str, facts: dict[str, Any]) -> Table:
    """The spread of sizes and lesions of a set of images."""
    rows = []
    for figure in ("width", "height", "lesion_fraction"):
        spread = facts[figure]
        form = ".1%" if figure == "lesion_fraction" else ".0f"
        texts = (format(value, form) for value in spread.values())
        rows.append([_FIGURES[figure], *texts])
    header = ["", "Least", "10%", "Median", "90%", "Most"]
    return Table(f"{name}: {facts['usable']:,}", header, rows)


def _recipe(recipe: dict[str, Any]) -> str:
    rows = [[name, _text(value)] for name, value in recipe.items()]
    table = html_table(Table("Recipe", ["Setting", "Value"], rows))
    return f"<details><summary>All settings of the recipe</summary>{table}</details>"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def use_lines(run: Path) -> list[str]:
    """Return how to use the network in a folder, as HTML."""
    source = shlex.quote(f"local-dir:{run}")
    shell = (
        f"skinseg predict IMAGES --model {source} --output MASKS --overlay\n"
        f"skinseg evaluate --data TEST_DATA --model {source} --output SCORES"
    )
    # In JSON, a text is written as in Python: a path of Windows has backslashes.
    text = json.dumps(f"local-dir:{run}", ensure_ascii=False)
    python = f'skinseg.Predictor({text})("image.jpg").mask'
    return [
        "<h2>Use it</h2>",
        '<p class="faint">From the folder that the training was started in:</p>',
        f"<pre>{escape(shell)}</pre>",
        '<p class="faint">In Python:</p>',
        f"<pre>{escape(python)}</pre>",
    ]
