"""From what a user calls a model, a name, a file or a network, to a runtime."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

from skinseg.runtimes import ExportedFileError, check_runtime, is_exported_path, open_file

if TYPE_CHECKING:
    import torch
    from torch import nn

    from skinseg.models import SegmentationModel
    from skinseg.runtimes import Runtime

_TORCH_RUNTIMES = (None, "torch", "optimized", "compile")
_FORMATS = {"onnxruntime": "onnx", "openvino": "openvino", "executorch": "executorch"}


def open_model(
    model: str | os.PathLike[str] | nn.Module,
    runtime: str | None = None,
    device: str | torch.device | None = None,
    size: tuple[int, int] | None = None,
) -> Runtime:
    """Return a network that is ready to run.

    Args:
        model: Name for :func:`skinseg.create_model`; exported file; or network.
        runtime: One of :data:`skinseg.runtimes.RUNTIMES`; None for what a file is for, and for
            torch otherwise.
        device: As :class:`~skinseg.Predictor` takes it.
        size: (height, width) of the images, where the network is derived or exported for it; None
            for that of the weights' record.

    Raises:
        ValueError, TypeError, OSError: As :class:`~skinseg.Predictor`.
    """
    if runtime is not None:
        check_runtime(runtime)
    if isinstance(model, str | os.PathLike) and is_exported_path(model):
        _check_cpu(device, f"'{os.fspath(model)}'")
        opened = open_file(model, runtime)
        if opened.metadata.input != "normalized":
            raise ExportedFileError(
                f"{opened.source} prepares images itself and is for other programs; export it "
                "without preprocessing"
            )
        return opened
    if isinstance(model, os.PathLike):
        model = os.fspath(model)  # It is no name, and the error says what to write instead.
    if runtime in _TORCH_RUNTIMES:
        return _torch_runtime(model, device, runtime, size)
    _check_cpu(device, f"the runtime {runtime}")
    return _exported(model, runtime, size)


def _check_cpu(device: str | torch.device | None, what: str) -> None:
    if device is not None and str(device) != "cpu":
        raise ValueError(f"{what} runs on the CPU, not on {str(device)!r}")


def _torch_runtime(
    model: str | nn.Module,
    device: str | torch.device | None,
    runtime: str | None,
    size: tuple[int, int] | None,
) -> Runtime:
    import torch

    from skinseg.factory import create_model
    from skinseg.inference.device import usable_device
    from skinseg.runtimes.torch_runtime import TorchRuntime

    place = None if device is None else usable_device(device)
    network = create_model(model, pretrained=True) if isinstance(model, str) else model
    opened = TorchRuntime(network, place)
    if runtime == "optimized":
        from skinseg.optimization import optimize  # Not needed, and not fast, for the others.

        return TorchRuntime(optimize(cast("SegmentationModel", opened.network), size))
    if runtime == "compile":
        return TorchRuntime(cast("nn.Module", torch.compile(opened.network)))
    return opened


def _exported(model: str | nn.Module, runtime: str, size: tuple[int, int] | None) -> Runtime:
    """Export a network as it is now, into a file that is gone once it is opened."""
    from skinseg.exporting import FORMATS, export

    format = _FORMATS[runtime]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"network{FORMATS[format].suffix}"
        export(model, path, format=format, size=size)
        return open_file(path, runtime)
