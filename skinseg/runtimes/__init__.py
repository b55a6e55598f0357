"""What runs a network: arrays in, logits out. Files of :func:`skinseg.export` need no torch."""

from skinseg.runtimes.base import FileRuntime, Runtime
from skinseg.runtimes.files import (
    RUNTIMES,
    check_runtime,
    is_exported_path,
    open_file,
    read_metadata,
)
from skinseg.runtimes.metadata import ExportedFileError, ExportMetadata

__all__ = [
    "RUNTIMES",
    "ExportMetadata",
    "ExportedFileError",
    "FileRuntime",
    "Runtime",
    "check_runtime",
    "is_exported_path",
    "open_file",
    "read_metadata",
]
