"""Summaries as tables of text, the same in Markdown, on the page and in the terminal."""

import dataclasses

from skinseg.evaluation.definitions import LABELS
from skinseg.evaluation.summary import Score, Summary

_LESION_SIZE_COLUMNS = {
    "mean_dice": "Mean Dice",
    "pooled_iou": "Pooled IoU",
    "mean_hd95": "Mean HD95 (pixels)",
}


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of text; the first column names the row, the others hold figures."""

    title: str
    header: list[str]
    rows: list[list[str]]


def score_table(caption: str, summary: Summary) -> Table:
    """Return all scores at one size: a row for each, pooled and averaged side by side."""
    rows = []
    for name, label in LABELS.items():
        pair = (summary.scores.get(f"{kind}_{name}") for kind in ("pooled", "mean"))
        rows.append([label, *(_text(name, score) for score in pair)])
    header = ["Score", "Pooled over pixels", "Mean over images"]
    return Table(f"All images, {caption}", header, rows)


def lesion_size_table(caption: str, groups: dict[str, Summary]) -> Table:
    """Return the main scores of each group of lesion sizes."""
    rows = []
    for group, summary in groups.items():
        texts = [_text(column, summary.scores[column]) for column in _LESION_SIZE_COLUMNS]
        rows.append([group, str(summary.images), *texts])
    header = ["Lesion", "Images", *_LESION_SIZE_COLUMNS.values()]
    return Table(f"By lesion size, {caption}", header, rows)


def markdown_table(table: Table) -> str:
    """Return a table in Markdown, under its title."""
    rule = ["---", *["---:"] * (len(table.header) - 1)]
    lines = [f"| {' | '.join(row)} |" for row in (table.header, rule, *table.rows)]
    return "\n".join([f"## {table.title}", "", *lines])


def _text(name: str, score: Score | None) -> str:
    if score is None:
        return ""
    digits = 1 if name.endswith("hd95") else 4
    text = f"{score.value:.{digits}f}"
    return text if score.low is None else f"{text} ({score.low:.{digits}f}-{score.high:.{digits}f})"
