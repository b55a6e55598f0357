import torch
from torch import fx

from skinseg.optimization.graph import (
    Editor,
    arguments,
    aten,
    calls,
    constant_of,
    is_call,
    shape_of,
)
from skinseg.optimization.rules.convolution import CONV2D, conv_arguments, write_conv


def fold_batch_norms(module: fx.GraphModule) -> None:
    """Write BatchNorm, which does not look at the image in evaluation mode, as scale and offset."""
    for node in calls(module, aten.batch_norm.default):
        x, weight, bias, mean, variance, training, _, eps = arguments(node, 8)
        mean, variance = constant_of(module, mean), constant_of(module, variance)
        if training or mean is None or variance is None:
            continue
        scale, offset = constant_of(module, weight), constant_of(module, bias)
        factor = torch.rsqrt(variance.double() + eps)
        factor = factor if scale is None else factor * scale.double()
        shift = -mean.double() * factor
        shift = shift if offset is None else shift + offset.double()
        editor = Editor(module, node)
        scaled = editor.call(aten.mul.Tensor, x, editor.constant(_column(factor.to(mean))))
        shifted = editor.call(aten.add.Tensor, scaled, editor.constant(_column(shift.to(mean))))
        editor.replace_by(shifted)


def fold_affine(module: fx.GraphModule) -> None:
    """Fold scales and offsets of single channels into the convolution before or after them."""
    changed = True
    while changed:
        changed = any(
            _fold_into_previous(module, node) or _fold_into_next(module, node)
            for node in calls(module, aten.mul.Tensor, aten.add.Tensor)
        )


def _column(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None]


def per_channel(module: fx.GraphModule, node: fx.Node) -> tuple[fx.Node, torch.Tensor] | None:
    """The map and the constant of a scale or an offset, one value for each channel."""
    terms = arguments(node, 2)
    for source, other in (terms, terms[::-1]):
        constant = constant_of(module, other)
        if constant is None or not isinstance(source, fx.Node) or "val" not in source.meta:
            continue
        shape = shape_of(source)
        if len(shape) == 4 and constant.ndim >= 3 and constant.shape[-2:] == (1, 1):
            return source, constant.flatten().expand(shape[1])
    return None


def _fold_into_previous(module: fx.GraphModule, node: fx.Node) -> bool:
    """``conv(x) * scale`` or ``conv(x) + offset``, where nobody else reads the convolution."""
    found = per_channel(module, node)
    if found is None or not is_call(found[0], CONV2D) or len(found[0].users) > 1:
        return False
    conv, constant = found
    x, weight, bias, *others = conv_arguments(module, conv)
    if weight is None:
        return False
    if is_call(node, aten.mul.Tensor):
        weight = weight * constant[:, None, None, None]
        bias = None if bias is None else bias * constant
    else:
        bias = constant if bias is None else bias + constant
    write_conv(module, node, x, weight, bias, others)
    return True


def _fold_into_next(module: fx.GraphModule, node: fx.Node) -> bool:
    """``conv(x * scale)``, or ``conv(x + offset)`` where no padding meets the offset."""
    found = per_channel(module, node)
    users = list(node.users)
    if found is None or len(users) != 1 or not is_call(users[0], CONV2D):
        return False
    if users[0].args[0] is not node:
        return False
    source, constant = found
    _, weight, bias, *others = conv_arguments(module, users[0])
    if weight is None:
        return False
    groups = others[3]
    # Channel of the input that each output's kernel meets, (out, in per group).
    met = constant.view(groups, 1, -1).expand(-1, len(weight) // groups, -1).flatten(0, 1)
    if is_call(node, aten.mul.Tensor):
        weight = weight * met[:, :, None, None]
    elif tuple(others[1]) == (0, 0):
        offset = (weight * met[:, :, None, None]).sum((1, 2, 3))
        bias = offset if bias is None else bias + offset
    else:
        return False
    write_conv(module, users[0], source, weight, bias, others)
    return True
