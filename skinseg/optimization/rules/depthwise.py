import operator
from typing import Any

import torch
from torch import fx

from skinseg.optimization.graph import Editor, arguments, aten, calls, is_call, shape_of
from skinseg.optimization.rules.convolution import CONV2D, call_conv, conv_arguments

# Multiply-accumulates up to which one convolution with zeros in its kernel is faster than several
# small ones: measured on an Intel Xeon with AVX-512, where each of them costs about 50
# microseconds whatever its size.
_LARGEST = 8e6


def join_depthwise(module: fx.GraphModule) -> None:
    """Join depthwise convolutions of the groups of a map, such as DGA's, into one.

    Kernels of several dilations become kernels of one size, with zeros between their weights.
    """
    for node in calls(module, aten.cat.default):
        convs, dim = arguments(node, 2)
        if dim != 1 or not all(is_call(conv, CONV2D) for conv in convs):
            continue
        source = _split_source(convs)
        found = [conv_arguments(module, conv) for conv in convs]
        if source is None or not all(_is_depthwise(*given) for given in found):
            continue
        kernels = [_spread(given[1], given[5]) for given in found]
        size = max(kernel.shape[-1] for kernel in kernels)
        weight = torch.cat([_padded(kernel, size) for kernel in kernels])
        height, width = shape_of(source)[2:]
        if len(weight) * size**2 * height * width > _LARGEST:
            continue
        bias = torch.cat([_bias(given) for given in found])
        editor = Editor(module, node)
        half = size // 2
        joined = call_conv(editor, source, weight, bias, (1, 1), (half, half), (1, 1), len(weight))
        editor.replace_by(joined)


def _split_source(convs: list[fx.Node]) -> fx.Node | None:
    """The map whose parts, all and in order, the convolutions take."""
    parts = [arguments(conv, 1)[0] for conv in convs]
    if not all(is_call(part, operator.getitem) for part in parts):
        return None
    split = arguments(parts[0], 1)[0]
    in_order = [arguments(part, 2) for part in parts] == [[split, i] for i in range(len(parts))]
    if not in_order or not is_call(split, aten.split_with_sizes.default):
        return None
    source: fx.Node
    source, widths = arguments(split, 2)
    return source if len(widths) == len(parts) else None


def _is_depthwise(
    x: fx.Node, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> bool:
    """Whether it is a square depthwise convolution that keeps height and width."""
    if weight is None or weight.shape[1] != 1 or len(weight) != groups:
        return False
    height, width = weight.shape[2:]
    same = (dilation[0] * (height // 2), dilation[1] * (width // 2))
    square = height == width and height % 2 == 1 and dilation[0] == dilation[1]
    return square and tuple(stride) == (1, 1) and tuple(padding) == same


def _spread(weight: torch.Tensor, dilation: Any) -> torch.Tensor:
    """The kernel of dilation 1 that does the same."""
    step, size = dilation[0], weight.shape[-1]
    spread = weight.new_zeros(*weight.shape[:2], *(2 * [step * (size - 1) + 1]))
    spread[..., ::step, ::step] = weight
    return spread


def _padded(kernel: torch.Tensor, size: int) -> torch.Tensor:
    return torch.nn.functional.pad(kernel, 4 * [(size - kernel.shape[-1]) // 2])


def _bias(given: list[Any]) -> torch.Tensor:
    bias: torch.Tensor | None = given[2]
    weight: torch.Tensor = given[1]
    return weight.new_zeros(len(weight)) if bias is None else bias
