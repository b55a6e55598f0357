"""ONNX files of few nodes."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skinseg.runtimes.metadata import ExportMetadata

OPSET = 21

aten = torch.ops.aten


def onnx_model(program: torch.export.ExportedProgram) -> Any:
    """Return a program as an ONNX model, its constants folded and its nodes fused.

    Args:
        program: One input, one output.

    Returns:
        The ``onnx.ModelProto``.
    """
    import onnxslim
    from onnxscript import optimizer

    with _quiet():
        exported = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            # Its rules take an addition of 1e-9 for one of nothing and remove it.
            optimize=False,
            verbose=False,
            custom_translation_table=_translations(),
            input_names=["images"],
            output_names=["output"],
        )
    assert exported is not None, "the exporter returns a program unless it writes a file itself"
    optimizer.fold_constants(exported.model)
    model = exported.model_proto
    # Where it looks for equal nodes, it takes a pooling with indices for one without, and fails.
    indexed = any(node.op_type == "MaxPool" and len(node.output) > 1 for node in model.graph.node)
    return onnxslim.slim(model, skip_optimizations=["subexpression_elimination"] if indexed else [])


def write_onnx(model: Any, path: Path, metadata: ExportMetadata) -> None:
    """Write an ONNX model with its metadata."""
    import onnx

    for key, value in metadata.to_strings().items():
        model.metadata_props.add(key=key, value=value)
    model.producer_name, model.producer_version = "skinseg", metadata.version
    onnx.save(model, os.fspath(path))


def halve_weights(model: Any) -> None:
    """Keep the weights of an ONNX model in half precision; it computes in single precision.

    Each is converted where it is read; runtimes do that once, when they open the file. The shapes
    of inner maps, which they infer themselves, are left out: of a network of many small nodes they
    are a large part of the file.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims, dtype=int) < 16:
            continue
        name = tensor.name
        values = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(values, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    del model.graph.value_info[:]


def _translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Operators that torch would write in more nodes, or not at all."""
    from onnxscript import ir, opset21

    op: Any = opset21  # Its types are those of scripts, not of what is traced here.

    def group_norm(
        x: Any,
        num_groups: int,
        weight: Any = None,
        bias: Any = None,
        eps: float = 1e-5,
        cudnn_enabled: bool = True,
    ) -> Any:
        # Not ONNX's GroupNormalization, which ONNX Runtime takes apart into some thirty nodes.
        ones, zeros = (
            op.Constant(value=ir.tensor(np.full(num_groups, value, np.float32))) for value in (1, 0)
        )
        groups = op.Reshape(x, op.Constant(value_ints=[0, num_groups, -1]))
        normalized = op.InstanceNormalization(groups, ones, zeros, epsilon=eps)
        y = op.Reshape(normalized, _shape(op, x))
        if weight is not None:
            y = op.Mul(y, op.Unsqueeze(weight, op.Constant(value_ints=[1, 2])))
        return y if bias is None else op.Add(y, op.Unsqueeze(bias, op.Constant(value_ints=[1, 2])))

    def factors(height: float, width: float) -> Any:
        return op.Constant(value=ir.tensor(np.array([1, 1, height, width], np.float32)))

    def resize_with_antialiasing(
        x: Any,
        output_size: Any,
        align_corners: bool,
        scales_h: float | None = None,
        scales_w: float | None = None,
    ) -> Any:
        return resize(x, output_size, align_corners, antialias=1)

    def resize(
        x: Any, output_size: Any, align_corners: bool, *scales: Any, antialias: int = 0
    ) -> Any:
        options = {
            "mode": "linear",
            "antialias": antialias,
            # At the border, torch averages over what there is of the image.
            "exclude_outside": antialias,
            "coordinate_transformation_mode": "align_corners" if align_corners else "half_pixel",
        }
        if output_size is None:  # Then the factors of both sides are given.
            return op.Resize(x, None, factors(*scales[0]), **options)
        sides = [*x.shape[2:], *output_size]
        if all(isinstance(side, int) for side in sides):
            ratios = [new / old for old, new in zip(sides[:2], sides[2:], strict=True)]
            if all(ratio.is_integer() for ratio in ratios):
                return op.Resize(x, None, factors(*ratios), **options)
        one = op.Constant(value_ints=[1])
        new = [
            op.Constant(value_ints=[side]) if isinstance(side, int) else op.Reshape(side, one)
            for side in output_size
        ]
        # Of all axes: ONNX infers no shape of what is resized along some of them.
        sizes = op.Concat(op.Shape(x, start=0, end=2), *new, axis=0)
        return op.Resize(x, None, None, sizes, **options)

    def unbind(x: Any, dim: int = 0) -> Any:
        # One node for each part, where the exporter's own slices and then squeezes.
        parts = x.shape[dim]
        return tuple(op.Gather(x, op.Constant(value_int=i), axis=dim) for i in range(parts))

    def extreme(reduce: Callable[..., Any]) -> Callable[..., Any]:
        # Over several dimensions at once.
        def translated(x: Any, dim: Any = (), keepdim: bool = False) -> Any:
            return reduce(x, op.Constant(value_ints=list(dim)), keepdims=int(keepdim))

        return translated

    return {
        aten.amax.default: extreme(op.ReduceMax),
        aten.amin.default: extreme(op.ReduceMin),
        aten.group_norm.default: group_norm,
        aten.unbind.int: unbind,
        aten.upsample_bilinear2d.vec: resize,
        aten._upsample_bilinear2d_aa.default: resize_with_antialiasing,
    }


def _shape(op: Any, x: Any) -> Any:
    """Shape to give a map back, as a constant where all but the batch is known."""
    known = list(x.shape[1:])
    if all(isinstance(side, int) for side in known):
        return op.Constant(value_ints=[-1, *known])
    return op.Shape(x)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks on packages that are not installed to itself."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
