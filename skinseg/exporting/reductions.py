"""Rules for means, sums and maxima, which runtimes compute slowly or with few digits."""

import torch
from torch import fx

from skinseg.optimization.graph import Editor, aten, calls, shape_of, with_defaults

# Values of a map below which its maximum over channels stays one node.
_SMALL = 2**15


def average_row_by_row(module: fx.GraphModule) -> None:
    """Write means over all positions as means of the rows' means.

    Runtimes add up one value after the other, which over some ten thousand positions costs more
    digits than a variance that is the difference of two such means has to spare.
    """
    for node in calls(module, aten.mean.dim):
        x, dims, keep = with_defaults(node, None, None, False)[:3]
        if sorted(dim % 4 for dim in dims) != [2, 3] or len(shape_of(x)) != 4:
            continue
        editor = Editor(module, node)
        rows = editor.call(aten.mean.dim, x, [3], keep)
        editor.replace_by(editor.call(aten.mean.dim, rows, [2], keep))


def add_channels_by_product(module: fx.GraphModule) -> None:
    """Write means and sums over channels as a product with a row of ones.

    ONNX Runtime gathers the channels of one position after the other from all over the map, in
    twenty times the time.
    """
    for node in calls(module, aten.mean.dim, aten.sum.dim_IntList):
        x, dims, keep = with_defaults(node, None, None, False)[:3]
        _, channels, *sides = shape_of(x)
        if len(sides) not in (1, 2) or not _over_channels(dims, 2 + len(sides)):
            continue
        editor = Editor(module, node)
        maps = x if len(sides) == 1 else editor.call(aten.flatten.using_ints, x, 2)
        total = editor.call(aten.matmul.default, editor.constant(torch.ones(1, channels)), maps)
        if node.target == aten.mean.dim:
            total = editor.call(aten.div.Tensor, total, channels)
        result = [-1, 1, *sides] if keep else [-1, *sides]
        editor.replace_by(editor.call(aten.reshape.default, total, result))


def halve_channels_for_maximum(module: fx.GraphModule) -> None:
    """Write a large map's maximum over channels as that of its halves, again and again.

    Two halves are compared value by value in the order of memory; ONNX Runtime compares the
    channels of one position after the other, in three to five times the time.
    """
    for node in calls(module, aten.amax.default):
        x, dims, keep = with_defaults(node, None, [], False)
        shape = shape_of(x)
        if len(shape) != 4 or not _over_channels(dims, 4) or not keep:
            continue
        if torch.Size(shape[1:]).numel() < _SMALL:
            continue
        editor = Editor(module, node)
        channels = shape[1]
        while channels % 2 == 0:
            channels //= 2
            halves = (
                editor.call(aten.slice.Tensor, x, 1, start, start + channels)
                for start in (0, channels)
            )
            x = editor.call(aten.maximum.default, *halves)
        editor.replace_by(x if channels == 1 else editor.call(aten.amax.default, x, [1], True))


def _over_channels(dims: list[int], ndim: int) -> bool:
    return [dim % ndim for dim in dims] == [1]
