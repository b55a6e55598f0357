"""HTML and Markdown for people: of an evaluation, and of a training run."""

from skinseg.reports.evaluation import (
    evaluation_html,
    evaluation_markdown,
    evaluation_tables,
    write_evaluation_report,
)
from skinseg.reports.gallery import Picture, draw_gallery
from skinseg.reports.training import write_training_report

__all__ = [
    "Picture",
    "draw_gallery",
    "evaluation_html",
    "evaluation_markdown",
    "evaluation_tables",
    "write_evaluation_report",
    "write_training_report",
]
