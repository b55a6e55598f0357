"""OpenVINO, on the CPU."""

from pathlib import Path
from typing import Any

import numpy as np

from skinseg.runtimes.base import FileRuntime, imported
from skinseg.runtimes.metadata import PREFIX, ExportedFileError, ExportMetadata


class OpenVinoRuntime(FileRuntime):
    """Runs an OpenVINO file, or an ONNX file, in OpenVINO.

    It computes in single precision also on processors for which OpenVINO would choose bfloat16,
    which moves the outlines of lesions.

    Args:
        path: The ``.xml`` file, beside its ``.bin`` file; or an ``.onnx`` file.
        threads: Processor threads; None for as many as OpenVINO likes.

    Raises:
        ExportedFileError: If the file is damaged, or none of :func:`skinseg.export`.
        ModuleNotFoundError: If openvino is not installed.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        openvino: Any = imported("openvino", "openvino", f"'{path}'")
        core = openvino.Core()
        config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            config["INFERENCE_NUM_THREADS"] = str(threads)
        try:
            model = core.read_model(str(path))
            strings = _metadata_strings(model)
            metadata = ExportMetadata.from_strings(strings, f"'{path}'")
            self._compiled = core.compile_model(model, "CPU", config)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ExportedFileError(f"'{path}' cannot be opened: {reason}") from error
        super().__init__(metadata, f"'{path}'")

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Run the network on a batch."""
        # A request of its own per call, so that threads do not write over each other's results.
        request = self._compiled.create_infer_request()
        result: np.ndarray = request.infer({0: batch})[0].copy()
        return result


def _metadata_strings(model: Any) -> dict[str, str]:
    """The entries of an OpenVINO file, or of an ONNX file, which OpenVINO keeps elsewhere."""
    for section in ("skinseg", "framework"):
        if model.has_rt_info(section):
            entries = model.get_rt_info(section).value
            return {
                key if key.startswith(PREFIX) else PREFIX + key: entry.value
                if hasattr(entry, "value")
                else entry
                for key, entry in entries.items()
            }
    return {}
