import operator
from typing import Any

import torch
from torch import fx

from skinseg.optimization.graph import add_constant, constant_of, remove_unused


def fold_constants(module: fx.GraphModule) -> None:
    """Compute once what does not depend on the image, such as GHPA's resized weights."""
    values: dict[fx.Node, Any] = {}
    for node in module.graph.nodes:
        tensor = constant_of(module, node)
        if tensor is not None:
            values[node] = tensor
        elif node.op == "call_function" and _known(node, values):
            values[node] = _computed(node, values)
    for node, value in values.items():
        is_read = any(user not in values for user in node.users)
        if node.op == "call_function" and node.target is not operator.getitem and is_read:
            if not isinstance(value, torch.Tensor):
                continue
            with module.graph.inserting_before(node):
                node.replace_all_uses_with(add_constant(module, module.graph, value))
    remove_unused(module)


def _known(node: fx.Node, values: dict[fx.Node, Any]) -> bool:
    return bool(node.all_input_nodes) and all(source in values for source in node.all_input_nodes)


def _computed(node: fx.Node, values: dict[fx.Node, Any]) -> Any:
    target: Any = node.target
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
    with torch.no_grad():
        return target(*args, **kwargs)
