"""Reading and writing the convolutions of a graph."""

from typing import Any

import torch
from torch import fx

from skinseg.optimization.graph import Editor, aten, constant_of, is_call, with_defaults

CONV2D = aten.conv2d.default
_DEFAULTS = (None, None, None, (1, 1), (0, 0), (1, 1), 1)


def conv_arguments(module: fx.GraphModule, conv: fx.Node) -> list[Any]:
    """Return input, weight and bias as tensors, stride, padding, dilation and groups.

    Weight or bias are None where they are not constants, or there is no bias.
    """
    x, weight, bias, *others = with_defaults(conv, *_DEFAULTS)
    return [x, constant_of(module, weight), constant_of(module, bias), *others]


def write_conv(
    module: fx.GraphModule,
    node: fx.Node,
    x: fx.Node,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    others: list[Any],
) -> None:
    """Let a convolution of ``x`` take the node's place; ``others`` as :func:`conv_arguments`."""
    editor = Editor(module, node)
    editor.replace_by(call_conv(editor, x, weight, bias, *others))


def call_conv(
    editor: Editor, x: fx.Node, weight: torch.Tensor, bias: torch.Tensor | None, *others: Any
) -> fx.Node:
    """Add a convolution with constant weights."""
    constants = [editor.constant(weight), None if bias is None else editor.constant(bias)]
    return editor.call(CONV2D, x, *constants, *others)


def pointwise_arguments(
    module: fx.GraphModule, node: fx.Node
) -> tuple[fx.Node, torch.Tensor, torch.Tensor | None] | None:
    """Return input, weight (C_out, C_in, 1, 1) and bias of a 1x1 convolution, else None."""
    if not is_call(node, CONV2D):
        return None
    x, weight, bias, stride, padding, _, groups = conv_arguments(module, node)
    if weight is None or groups != 1 or tuple(weight.shape[2:]) != (1, 1):
        return None
    if tuple(stride) != (1, 1) or tuple(padding) != (0, 0):
        return None
    return x, weight, bias
