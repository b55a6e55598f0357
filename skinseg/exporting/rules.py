"""Rules for graphs that other runtimes execute, beside those of :mod:`skinseg.optimization`."""

import torch
from torch import fx
from torch.nn import functional as F

from skinseg.optimization.graph import (
    Editor,
    aten,
    calls,
    constant_of,
    shape_of,
    with_defaults,
)


def conv1d_as_conv2d(module: fx.GraphModule) -> None:
    """Write one-dimensional convolutions as two-dimensional ones of maps with a single row.

    Runtimes have fast kernels for these. OpenVINO takes the others for matrix products, and two of
    them around a softmax for an attention whose code it then cannot generate.
    """
    for node in calls(module, aten.conv1d.default):
        x, weight, bias, stride, padding, dilation, groups = with_defaults(
            node, None, None, None, [1], [0], [1], 1
        )
        kernel = constant_of(module, weight)
        if kernel is None:
            continue
        editor = Editor(module, node)
        row = editor.call(aten.unsqueeze.default, x, 2)
        strides, paddings, dilations = [1, *stride], [0, *padding], [1, *dilation]
        result = editor.call(
            aten.conv2d.default,
            row,
            editor.constant(kernel[:, :, None]),
            bias,
            strides,
            paddings,
            dilations,
            groups,
        )
        editor.replace_by(editor.call(aten.squeeze.dim, result, 2))


def bicubic_as_products(module: fx.GraphModule) -> None:
    """Write bicubic enlargements as one matrix product for the rows and one for the columns.

    Bicubic resizing is linear along each axis. ONNX Runtime computes it pixel by pixel, in fifty
    times the time, and XNNPACK not at all.
    """
    for node in calls(module, aten.upsample_bicubic2d.vec):
        x, _, align_corners = with_defaults(node)[:3]
        sides = zip(shape_of(x)[2:], shape_of(node)[2:], strict=True)
        rows, columns = (_bicubic_matrix(*pair, align_corners) for pair in sides)
        editor = Editor(module, node)
        wide = editor.call(aten.matmul.default, x, editor.constant(columns.T))
        editor.replace_by(editor.call(aten.matmul.default, editor.constant(rows), wide))


def _bicubic_matrix(old: int, new: int, align_corners: bool) -> torch.Tensor:
    """Weights (new, old) of the old positions in the new ones."""
    one_hot = torch.eye(old)[None, :, :, None]
    weights = F.interpolate(one_hot, (new, 1), mode="bicubic", align_corners=align_corners)
    return weights[0, :, :, 0].T


def infer_batch_of_reshapes(module: fx.GraphModule) -> None:
    """Let reshapes infer the number of images, instead of reading it off the input."""
    for node in calls(module, aten.reshape.default, aten.view.default):
        x, shape = with_defaults(node)
        unknown = [side for side in shape if isinstance(side, fx.Node)]
        if len(unknown) == 1 and -1 not in shape:
            inferred = [-1 if isinstance(side, fx.Node) else side for side in shape]
            node.args = (x, inferred)


def split_group_norms(module: fx.GraphModule) -> None:
    """Write scale and offset of a group normalization as steps of their own, to be folded."""
    for node in calls(module, aten.group_norm.default):
        x, groups, *affine, eps, _ = with_defaults(node, None, None, None, None, 1e-5, True)
        scale, offset = (constant_of(module, value) for value in affine)
        if scale is None or offset is None:
            continue
        editor = Editor(module, node)
        plain = editor.call(aten.group_norm.default, x, groups, None, None, eps)
        scaled = editor.call(aten.mul.Tensor, plain, editor.constant(scale[:, None, None]))
        editor.replace_by(
            editor.call(aten.add.Tensor, scaled, editor.constant(offset[:, None, None]))
        )


def spell_out_group_norms(module: fx.GraphModule) -> None:
    """Write a group normalization as one scale and one offset per channel, from means of the map.

    Of the map itself there are only means over positions, a product and a sum, in whatever memory
    layout it has.
    """
    for node in calls(module, aten.group_norm.default):
        x, groups, *affine, eps, _ = with_defaults(node, None, None, None, None, 1e-5, True)
        scale, offset = (constant_of(module, value) for value in affine)
        channels = shape_of(x)[1]
        width = channels // groups
        average = torch.eye(groups).repeat_interleave(width, 0).repeat_interleave(width, 1) / width
        editor = Editor(module, node)
        matrix = editor.constant(average[:, :, None, None])
        squared = editor.call(aten.mul.Tensor, x, x)
        means = [
            editor.call(
                aten.conv2d.default, editor.call(aten.mean.dim, value, [2, 3], True), matrix
            )
            for value in (x, squared)
        ]
        variance = editor.call(
            aten.sub.Tensor, means[1], editor.call(aten.mul.Tensor, means[0], means[0])
        )
        factor = editor.call(aten.rsqrt.default, editor.call(aten.add.Tensor, variance, eps))
        if scale is not None:
            factor = editor.call(
                aten.mul.Tensor, factor, editor.constant(scale[None, :, None, None])
            )
        shift = editor.call(aten.mul.Tensor, means[0], factor)
        if offset is None:
            shift = editor.call(aten.neg.default, shift)
        else:
            shift = editor.call(
                aten.sub.Tensor, editor.constant(offset[None, :, None, None]), shift
            )
        editor.replace_by(
            editor.call(aten.add.Tensor, editor.call(aten.mul.Tensor, x, factor), shift)
        )
