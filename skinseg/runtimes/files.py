"""Which files are exported networks, and what opens them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from skinseg.names import near_matches
from skinseg.runtimes.metadata import ExportedFileError, ExportMetadata

if TYPE_CHECKING:
    from skinseg.runtimes.base import FileRuntime

RUNTIMES_OF = {
    ".onnx": ("onnxruntime", "openvino"),
    ".xml": ("openvino",),
    ".torchscript": ("torch",),
    ".pt2": ("torch",),
    ".pte": ("executorch",),
}
"""What runs a file, by its suffix; the first is the one that is taken unless another is named."""

RUNTIMES = ("torch", "optimized", "compile", "onnxruntime", "openvino", "executorch")
"""Names that a predictor takes as its runtime."""


def is_exported_path(name: str | os.PathLike[str]) -> bool:
    """Tell whether a name ends as the files do that :func:`skinseg.export` writes.

    Example:
        >>> is_exported_path("malunet.onnx"), is_exported_path("malunet.isic2017")
        (True, False)
    """
    return Path(name).suffix.lower() in RUNTIMES_OF


def open_file(
    path: str | os.PathLike[str], runtime: str | None = None, *, threads: int | None = None
) -> "FileRuntime":
    """Open an exported file.

    Args:
        path: A file of :func:`skinseg.export`.
        runtime: What runs it; of an ONNX file ``"onnxruntime"`` or ``"openvino"``.
        threads: Processor threads that it uses; None for as many as the runtime likes.

    Returns:
        The network, ready to run.

    Raises:
        FileNotFoundError: If there is no such file.
        ExportedFileError: If it is no exported network, or damaged.
        ValueError: If the runtime does not take it.
        ModuleNotFoundError: If the runtime is not installed.
    """
    path = Path(path).expanduser()
    if not is_exported_path(path):
        raise ExportedFileError(
            f"'{path}' is no exported network: files end in {', '.join(RUNTIMES_OF)}"
        )
    if not path.is_file():
        raise FileNotFoundError(2, "there is no such file", str(path))
    able = RUNTIMES_OF[path.suffix.lower()]
    runtime = able[0] if runtime is None else runtime
    if runtime not in able:
        raise ValueError(f"'{path}' runs in {' or '.join(able)}, not in {runtime!r}")
    return _opened(path, runtime, threads)


def _opened(path: Path, runtime: str, threads: int | None) -> "FileRuntime":
    # Each brings a library of its own, which need not be installed for the others.
    if runtime == "onnxruntime":
        from skinseg.runtimes.onnx_runtime import OnnxRuntime

        return OnnxRuntime(path, threads=threads)
    if runtime == "openvino":
        from skinseg.runtimes.openvino_runtime import OpenVinoRuntime

        return OpenVinoRuntime(path, threads=threads)
    if runtime == "executorch":
        from skinseg.runtimes.executorch_runtime import ExecuTorchRuntime

        return ExecuTorchRuntime(path)
    from skinseg.runtimes.torch_file_runtime import TorchFileRuntime

    return TorchFileRuntime(path)


def read_metadata(path: str | os.PathLike[str]) -> ExportMetadata:
    """Return what an exported file says of itself: name, size, normalization, license, ...

    Raises:
        FileNotFoundError, ExportedFileError, ModuleNotFoundError: As :func:`open_file`.
    """
    return open_file(path).metadata


def check_runtime(name: str) -> None:
    """Raise ValueError if there is no runtime of this name."""
    if name not in RUNTIMES:
        raise ValueError(f"there is no runtime {name!r}; {near_matches(name, RUNTIMES)}")
