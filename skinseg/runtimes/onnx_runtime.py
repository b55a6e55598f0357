"""ONNX Runtime, on the CPU."""

from pathlib import Path
from typing import Any

import numpy as np

from skinseg.runtimes.base import FileRuntime, imported
from skinseg.runtimes.metadata import ExportedFileError, ExportMetadata


class OnnxRuntime(FileRuntime):
    """Runs an ONNX file in ONNX Runtime.

    Args:
        path: The file.
        threads: Processor threads; None for one per core.

    Raises:
        ExportedFileError: If the file is damaged, or none of :func:`skinseg.export`.
        ModuleNotFoundError: If onnxruntime is not installed.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        ort: Any = imported("onnxruntime", "onnxruntime", f"'{path}'")
        options = ort.SessionOptions()
        options.log_severity_level = 3  # Errors alone.
        if threads is not None:
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
        # Not the layout optimizations of the highest level: the maps of small networks have too
        # few channels for its blocks, and reordering costs more than it gains.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # Its classes are not public.
            reason = str(error).partition("\n")[0]
            raise ExportedFileError(f"'{path}' cannot be opened: {reason}") from error
        strings = self._session.get_modelmeta().custom_metadata_map
        super().__init__(ExportMetadata.from_strings(strings, f"'{path}'"), f"'{path}'")
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Run the network on a batch."""
        result: np.ndarray = self._session.run(None, {self._input: batch})[0]
        return result
