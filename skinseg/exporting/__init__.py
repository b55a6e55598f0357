"""Networks as single files for other runtimes, each verified against the published network."""

from skinseg.exporting.export import export
from skinseg.exporting.report import Check, ExportError, ExportReport
from skinseg.exporting.writers import FORMATS

__all__ = ["FORMATS", "Check", "ExportError", "ExportReport", "export"]
