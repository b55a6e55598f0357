from typing import Any

import torch
from torch import fx

from skinseg.optimization.graph import Editor, arguments, aten, calls, is_call, shape_of
from skinseg.optimization.rules.convolution import CONV2D, call_conv, pointwise_arguments

_ENLARGEMENTS = (aten.upsample_bilinear2d.vec, aten.upsample_bicubic2d.vec)


def narrow_before_enlarging(module: fx.GraphModule) -> None:
    """Let a 1x1 convolution that narrows the map go before its enlargement.

    Both are linear, one over channels and the other over positions, so that they commute. Where
    enlarged and other maps are concatenated for the convolution, each gets its columns of the
    weights, and the results are added. An enlargement keeps constants, so that the bias may stay
    where it is.
    """
    for node in calls(module, CONV2D):
        found = pointwise_arguments(module, node)
        if found is None:
            continue
        x, weight, bias = found
        parts = _parts(x)
        if not any(_gains(part, len(weight)) for part in parts):
            continue
        editor = Editor(module, node)
        widths = [shape_of(part)[1] for part in parts]
        others: list[tuple[fx.Node, torch.Tensor]] = []
        results = []
        for part, columns in zip(parts, torch.split(weight, widths, dim=1), strict=True):
            if _gains(part, len(weight)):
                narrow = call_conv(editor, arguments(part, 1)[0], columns, None)
                enlarge: Any = part.target
                results.append(editor.call(enlarge, narrow, *part.args[1:], **part.kwargs))
            else:
                others.append((part, columns))
        if others:
            joined = [part for part, _ in others]
            rest = joined[0] if len(joined) == 1 else editor.call(aten.cat.default, joined, 1)
            results.insert(0, call_conv(editor, rest, torch.cat([c for _, c in others], 1), bias))
        elif bias is not None:
            results.append(editor.constant(bias[:, None, None]))
        total = results[0]
        for result in results[1:]:
            total = editor.call(aten.add.Tensor, total, result)
        editor.replace_by(total)


def _parts(x: fx.Node) -> list[fx.Node]:
    """The maps that are concatenated over channels; ``x`` alone if it is no concatenation."""
    if is_call(x, aten.cat.default) and len(x.users) == 1:
        maps, dim = arguments(x, 2)
        return list(maps) if dim == 1 else [x]
    return [x]


def _gains(part: fx.Node, width: int) -> bool:
    return (
        is_call(part, *_ENLARGEMENTS)
        and len(part.users) == 1
        and width < shape_of(part)[1]
        and shape_of(arguments(part, 1)[0])[2] <= shape_of(part)[2]
    )
