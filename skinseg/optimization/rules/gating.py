import torch
from torch import fx

from skinseg.optimization.graph import Editor, arguments, aten, calls, is_call, shape_of
from skinseg.optimization.rules.convolution import CONV2D, call_conv, pointwise_arguments


def narrow_before_gating(module: fx.GraphModule) -> None:
    """Let a 1x1 convolution that narrows a gated map go before the gate.

    With one gate ``s`` for each position, ``W (x * s)`` is ``s * (W x)``. With one gate ``c`` for
    each channel as well, ``W (x * (c + s))`` is ``(W * c) x + s * (W x)``: two products that give
    narrow maps, in place of two passes over the wide one.
    """
    for node in calls(module, CONV2D):
        found = pointwise_arguments(module, node)
        if found is None:
            continue
        gated, weight, bias = found
        _narrow_before_scale(module, node, gated, weight, bias)
        if node._erased:
            continue
        terms = _gated(gated) if len(gated.users) == 1 else None
        if terms is None or 2 * len(weight) >= shape_of(gated)[1]:
            continue
        x, by_channel, by_position = terms
        height, width = shape_of(x)[2:]
        editor = Editor(module, node)
        plain = editor.constant(weight[:, :, 0, 0])
        vector = editor.call(aten.squeeze.dims, by_channel, [2, 3])
        weighted = editor.call(
            aten.mul.Tensor, plain, editor.call(aten.unsqueeze.default, vector, 1)
        )
        both = [_product(editor, x, matrix, height, width) for matrix in (weighted, plain)]
        moved = editor.call(aten.mul.Tensor, by_position, both[1])
        total = editor.call(aten.add.Tensor, both[0], moved)
        if bias is not None:
            total = editor.call(aten.add.Tensor, total, editor.constant(bias[:, None, None]))
        editor.replace_by(total)


def multiply_gates_apart(module: fx.GraphModule) -> None:
    """Write ``x * (c + s)``, a gate per channel and one per position, as ``x * c + x * s``.

    The sum of the gates would be a map in NCHW, whatever layout ``x`` has, and multiplying maps of
    two layouts takes torch eight times as long.
    """
    for node in calls(module, aten.mul.Tensor):
        terms = _gated(node)
        if terms is not None:
            x, by_channel, by_position = terms
            editor = Editor(module, node)
            scaled = [editor.call(aten.mul.Tensor, x, gate) for gate in (by_channel, by_position)]
            editor.replace_by(editor.call(aten.add.Tensor, *scaled))


def _narrow_before_scale(
    module: fx.GraphModule,
    node: fx.Node,
    gated: fx.Node,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
) -> None:
    """``W (x * s)`` with one scale for each position."""
    if not is_call(gated, aten.mul.Tensor) or len(gated.users) > 1:
        return
    factors = arguments(gated, 2)
    for x, scale in (factors, factors[::-1]):
        if not isinstance(x, fx.Node) or not isinstance(scale, fx.Node):
            continue
        width, one = shape_of(x)[1:2], shape_of(scale)[1:2]
        if len(shape_of(scale)) == 4 and one == (1,) and len(weight) <= width[0] > 1:
            editor = Editor(module, node)
            narrow = call_conv(editor, x, weight, None)
            total = editor.call(aten.mul.Tensor, narrow, scale)
            if bias is not None:
                total = editor.call(aten.add.Tensor, total, editor.constant(bias[:, None, None]))
            editor.replace_by(total)
            return


def _product(editor: Editor, x: fx.Node, matrix: fx.Node, height: int, width: int) -> fx.Node:
    """``matrix`` (C_out, C) or (B, C_out, C) times each position's channels, (B, C_out, H, W)."""
    rows = editor.call(aten.transpose.int, editor.call(aten.flatten.using_ints, x, 2), 1, 2)
    columns = editor.call(aten.transpose.int, matrix, -2, -1)
    product = editor.call(aten.matmul.default, rows, columns)
    turned = editor.call(aten.transpose.int, product, 1, 2)
    return editor.call(aten.unflatten.int, turned, 2, [height, width])


def _gated(node: fx.Node) -> tuple[fx.Node, fx.Node, fx.Node] | None:
    """The map, the channels' gate (B, C, 1, 1) and the positions' (B, 1, H, W), if it is these."""
    if not is_call(node, aten.mul.Tensor):
        return None
    factors = arguments(node, 2)
    for x, gate in (factors, factors[::-1]):
        if not is_call(gate, aten.add.Tensor) or len(gate.users) > 1:
            continue
        gates = arguments(gate, 2)
        for by_channel, by_position in (gates, gates[::-1]):
            if not all(isinstance(term, fx.Node) for term in (by_channel, by_position)):
                continue
            if shape_of(by_channel)[2:] == (1, 1) and shape_of(by_position)[1] == 1:
                return x, by_channel, by_position
    return None
