"""One function per format: a graph and its metadata into a file."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from skinseg.exporting.graphs import Source, take_small_images
from skinseg.exporting.onnx import halve_weights, onnx_model, write_onnx
from skinseg.exporting.reductions import add_channels_by_product, halve_channels_for_maximum
from skinseg.exporting.rules import spell_out_group_norms
from skinseg.optimization.derive import Rule
from skinseg.runtimes.executorch_runtime import METADATA_METHOD
from skinseg.runtimes.metadata import ExportMetadata


@dataclasses.dataclass(frozen=True, kw_only=True)
class Format:
    """A file format.

    Attributes:
        suffix: Of its files.
        write: Takes the source, the path and the metadata; returns the number of
            operators, or None where there is no telling.
        packages: What must be installed to write and verify it.
        rules: What else to rewrite in the graph.
        dynamic: Whether the file may take images of any size.
        rgb: Whether it can hold the preparation of images.
        resizes_by_products: Whether images are resized by matrix products, as the format has no
            resizing with antialiasing.
        half: Whether its weights can be kept in half precision.
        batch: Number of images that it takes at once; None for any.
    """

    suffix: str
    write: Callable[[Source, Path, ExportMetadata], int | None]
    packages: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    dynamic: bool = True
    rgb: bool = True
    resizes_by_products: bool = False
    half: bool = False
    batch: int | None = None


def _write_onnx(source: Source, path: Path, metadata: ExportMetadata) -> int:
    model = onnx_model(source.program())
    nodes = len(model.graph.node)
    if metadata.precision == "float16":
        halve_weights(model)
    write_onnx(model, path, metadata)
    return nodes


def _write_openvino(source: Source, path: Path, metadata: ExportMetadata) -> int:
    import openvino

    onnx_file = path.with_suffix(".onnx")
    write_onnx(onnx_model(source.program()), onnx_file, metadata)
    try:
        model = openvino.convert_model(os.fspath(onnx_file))
        for key, value in metadata.to_strings().items():
            model.set_rt_info(value, ["skinseg", key.removeprefix("skinseg.")])
        half = metadata.precision == "float16"
        openvino.save_model(model, os.fspath(path), compress_to_fp16=half)
        return sum(op.get_type_name() not in _NO_OPERATORS for op in model.get_ops())
    finally:
        onnx_file.unlink()


_NO_OPERATORS = ("Constant", "Parameter", "Result")


def _write_torchscript(source: Source, path: Path, metadata: ExportMetadata) -> int:
    with torch.no_grad():
        trace: Any = torch.jit.trace
        traced = trace(source.module, source.example, check_trace=False)
        frozen = torch.jit.freeze(traced.eval())
        torch.jit.save(frozen, os.fspath(path), _extra_files=metadata.to_strings())
    return sum(node.kind() != "prim::Constant" for node in frozen.graph.nodes())


def _write_pt2(source: Source, path: Path, metadata: ExportMetadata) -> int:
    program = source.program()
    if metadata.size is None:
        take_small_images(program)
    torch.export.save(program, os.fspath(path), extra_files=metadata.to_strings())
    return _calls(program.graph)


def _write_executorch(source: Source, path: Path, metadata: ExportMetadata) -> int:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    program = source.program()
    texts = [text for pair in metadata.to_strings().items() for text in pair]
    lowered = to_edge_transform_and_lower(
        program, partitioner=[XnnpackPartitioner()], constant_methods={METADATA_METHOD: texts}
    )
    path.write_bytes(lowered.to_executorch().buffer)
    return _calls(program.graph)


def _calls(graph: torch.fx.Graph) -> int:
    return sum(node.op == "call_function" for node in graph.nodes)


FORMATS = {
    "onnx": Format(
        suffix=".onnx",
        write=_write_onnx,
        packages=("onnx", "onnxscript", "onnxslim", "onnxruntime"),
        rules=(add_channels_by_product, halve_channels_for_maximum),
        half=True,
    ),
    "openvino": Format(
        suffix=".xml",
        write=_write_openvino,
        packages=("onnx", "onnxscript", "onnxslim", "openvino"),
        resizes_by_products=True,
        half=True,
    ),
    "torchscript": Format(suffix=".torchscript", write=_write_torchscript),
    "pt2": Format(suffix=".pt2", write=_write_pt2),
    "executorch": Format(
        suffix=".pte",
        write=_write_executorch,
        packages=("executorch",),
        rules=(spell_out_group_norms,),
        dynamic=False,
        rgb=False,
        batch=1,
    ),
}
"""Formats by the name that ``skinseg.export`` and ``skinseg export --format`` take."""
