"""The report of a training run: curves, scores and the worst cases in one HTML file."""

from skinseg.training.report.page import REPORT_NAME, write_report

__all__ = ["REPORT_NAME", "write_report"]
