from typing import cast

import torch
from torch import fx

from skinseg.optimization.graph import (
    Editor,
    Target,
    arguments,
    aten,
    block_diagonal,
    calls,
    constant_of,
    is_call,
    shape_of,
)
from skinseg.optimization.rules.affine import per_channel
from skinseg.optimization.rules.convolution import CONV2D, call_conv, conv_arguments


def pool_before_norm(module: fx.GraphModule) -> None:
    """Let max-pooling go before the scale and offset of a group normalization.

    Once mean and variance are known, the normalization is one scale and one offset for each
    channel, which keep the order of values where the scale is positive. So only the pooled map, a
    quarter of the other, need be scaled. Channels with a negative weight change their sign in the
    convolution before, and their scale is positive then.
    """
    for pool in calls(module, aten.max_pool2d.default):
        (norm,) = arguments(pool, 1)
        if not is_call(norm, aten.group_norm.default) or len(norm.users) > 1:
            continue
        conv, groups, *affine, eps = arguments(norm, 5)
        if not is_call(conv, CONV2D) or len(conv.users) > 1:
            continue
        scale, offset = (constant_of(module, argument) for argument in affine)
        if scale is not None and offset is not None:
            _rewrite(module, pool, conv, groups, scale, offset, 1e-5 if eps is None else eps)


def pool_before_affine(module: fx.GraphModule) -> None:
    """Let max-pooling go before scales and offsets of single channels that keep values' order."""
    for pool in calls(module, aten.max_pool2d.default):
        steps = _increasing(module, arguments(pool, 1)[0])
        if not steps:
            continue
        editor = Editor(module, pool)
        result = editor.call(aten.max_pool2d.default, steps[-1][1], *pool.args[1:])
        for target, _, constant in reversed(steps):
            result = editor.call(target, result, editor.constant(constant[:, None, None]))
        editor.replace_by(result)


def _increasing(
    module: fx.GraphModule, node: fx.Node
) -> list[tuple[Target, fx.Node, torch.Tensor]]:
    """Scales and offsets that lead to a node, last first: operator, map, constant."""
    steps: list[tuple[Target, fx.Node, torch.Tensor]] = []
    while is_call(node, aten.mul.Tensor, aten.add.Tensor) and len(node.users) == 1:
        found = per_channel(module, node)
        if found is None or (node.target == aten.mul.Tensor and not bool((found[1] > 0).all())):
            break
        steps.append((cast(Target, node.target), *found))
        node = found[0]
    return steps


def _rewrite(
    module: fx.GraphModule,
    pool: fx.Node,
    conv: fx.Node,
    groups: int,
    scale: torch.Tensor,
    offset: torch.Tensor,
    eps: float,
) -> None:
    editor = Editor(module, pool)
    sign = torch.where(scale < 0, -1.0, 1.0)
    x, weight, bias, *others = conv_arguments(module, conv)
    if weight is None:
        return
    bias = None if bias is None else bias * sign
    signed = call_conv(editor, x, weight * sign[:, None, None, None], bias, *others)
    # Means over each group's channels and positions, and over all channels of the group at once.
    channels = shape_of(conv)[1]
    width = channels // groups
    average = block_diagonal(torch.full((width, width), 1 / width) for _ in range(groups))
    mean = editor.call(aten.mean.dim, signed, [2, 3])
    squared = editor.call(aten.mul.Tensor, signed, signed)
    square = editor.call(aten.mean.dim, squared, [2, 3])
    mean = editor.call(aten.linear.default, mean, editor.constant(average * sign))
    square = editor.call(aten.linear.default, square, editor.constant(average))
    variance = editor.call(aten.sub.Tensor, square, editor.call(aten.mul.Tensor, mean, mean))
    deviation = editor.call(aten.rsqrt.default, editor.call(aten.add.Tensor, variance, eps))
    factor = editor.call(aten.mul.Tensor, deviation, editor.constant(scale.abs()))
    signed_factor = editor.call(aten.mul.Tensor, deviation, editor.constant(scale))
    moved = editor.call(aten.mul.Tensor, mean, signed_factor)
    shift = editor.call(aten.sub.Tensor, editor.constant(offset), moved)
    pooled = editor.call(aten.max_pool2d.default, signed, *pool.args[1:])
    columns = [
        editor.call(aten.unsqueeze.default, editor.call(aten.unsqueeze.default, vector, -1), -1)
        for vector in (factor, shift)
    ]
    scaled = editor.call(aten.mul.Tensor, pooled, columns[0])
    editor.replace_by(editor.call(aten.add.Tensor, scaled, columns[1]))
