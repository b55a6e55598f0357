"""HTML and Markdown for people: of an evaluation, and of a training run."""

from skinseg.reports.evaluation import (
    evaluation_html,
    evaluation_markdown,
    evaluation_tables,
    write_evaluation_report,
)
from skinseg.reports.folds import FoldsSummary, summarize_folds, write_folds_report
from skinseg.reports.gallery import Picture, draw_gallery
from skinseg.reports.training import REPORT_NAME, write_training_report

__all__ = [
    "REPORT_NAME",
    "FoldsSummary",
    "Picture",
    "draw_gallery",
    "evaluation_html",
    "evaluation_markdown",
    "evaluation_tables",
    "summarize_folds",
    "write_evaluation_report",
    "write_folds_report",
    "write_training_report",
]
