"""Convolutions as oneDNN prefers them on a CPU; not for export."""

from typing import Any

import torch
from torch import fx

from skinseg.optimization.graph import (
    Editor,
    arguments,
    aten,
    calls,
    constant_of,
    is_call,
    remove_unused,
    shape_of,
)
from skinseg.optimization.rules.convolution import CONV2D, conv_arguments

# Values of a result from which a convolution gains more by packed weights than it loses by the
# longer way there (measured on an Intel Xeon with AVX-512; a 1x1 convolution is a matrix product).
_LARGE = 2**17


def pack_convolutions(module: fx.GraphModule) -> None:
    """Bring convolutions into the form in which PyTorch runs them fastest on a CPU.

    Weights are reordered once instead of at each call, and a GELU that follows is computed while
    the result is still in the cache.
    """
    for node in calls(module, aten.conv1d.default):
        _as_product(module, node)
    for node in calls(module, CONV2D):
        x, weight, bias, *others = conv_arguments(module, node)
        if weight is None:
            continue
        if len(weight) == 1 and weight.shape[-1] > 1:
            _in_planes(module, node, x)
        elif _gains(node, weight):
            _pack(module, node, x, weight, bias, others)
    remove_unused(module)


def _as_product(module: fx.GraphModule, node: fx.Node) -> None:
    """Write a 1-D convolution of kernel 1 as a matrix product over the channels."""
    x, *constants = arguments(node, 3)
    weight, bias = (constant_of(module, constant) for constant in constants)
    if weight is None or weight.shape[2] != 1 or len(node.args) > 3:
        return
    editor = Editor(module, node)
    product = editor.call(aten.matmul.default, editor.constant(weight[:, :, 0]), x)
    if bias is not None:
        product = editor.call(aten.add.Tensor, product, editor.constant(bias[:, None]))
    editor.replace_by(product)


def _in_planes(module: fx.GraphModule, node: fx.Node, x: fx.Node) -> None:
    """A convolution to a single channel is faster on planes than on interleaved channels."""
    editor = Editor(module, node)
    node.replace_input_with(x, editor.call(aten.contiguous.default, x))


def _gains(node: fx.Node, weight: torch.Tensor) -> bool:
    return weight.shape[-1] > 1 or _size(node) >= _LARGE


def _size(node: fx.Node) -> int:
    _, channels, height, width = shape_of(node)
    return int(channels * height * width)


def _pack(
    module: fx.GraphModule,
    node: fx.Node,
    x: fx.Node,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    others: list[Any],
) -> None:
    stride, padding, dilation, groups = others
    geometry = [list(padding), list(stride), list(dilation), groups]
    packed = torch.ops.mkldnn._reorder_convolution_weight(weight, *geometry, [1, *shape_of(x)[1:]])
    (user, *more) = node.users
    fused = not more and is_call(user, aten.gelu.default) and _size(node) >= _LARGE
    last = user if fused else node
    editor = Editor(module, last)
    read = editor.constant(packed)
    activation: tuple[Any, ...] = ("gelu", [], "none") if fused else ("none", [], "")
    offset = None if bias is None else editor.constant(bias)
    with module.graph.inserting_before(last):
        conv = module.graph.call_function(
            torch.ops.mkldnn._convolution_pointwise.default,
            (x, read, offset, *geometry, *activation),
        )
    conv.meta["val"] = node.meta["val"]
    editor.replace_by(conv)
