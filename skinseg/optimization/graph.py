"""A network's published form as a graph of ATen operators, and ways to edit it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import fx, nn

aten = torch.ops.aten

Target = Callable[..., Any]


def trace(model: nn.Module, size: tuple[int, int], in_chans: int) -> fx.GraphModule:
    """Return what ``model`` computes for images of one size, for any batch.

    Args:
        model: Network in evaluation mode on the CPU; it is not changed.
        size: Height and width of the images, in pixels.
        in_chans: Channels of the images.

    Returns:
        A module whose only argument is the batch (B, in_chans, *size) and whose constants are its
        buffers. Every node has the shape of its result as ``node.meta["val"]``.
    """
    # Two images, because torch.export takes a batch of one for a constant.
    example = torch.zeros(2, in_chans, *size)
    batch = torch.export.Dim("batch")
    with torch.no_grad():
        program = torch.export.export(model, (example,), dynamic_shapes=({0: batch},))
    return _flattened(program.module(check_guards=False))


def _flattened(exported: fx.GraphModule) -> fx.GraphModule:
    """Copy the graph, so that its constants are buffers without dots in their names."""
    constants = nn.Module()
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in exported.graph.nodes:
        if node.op == "get_attr":
            tensor = _attribute(exported, node.target)
            copies[node] = add_constant(constants, graph, tensor)
        elif node.op == "output":
            (result,) = node.args[0] if isinstance(node.args[0], tuple | list) else node.args
            graph.output(copies[result])
            continue
        else:
            copies[node] = graph.node_copy(node, lambda old: copies[old])
        copies[node].meta = {"val": node.meta["val"]} if "val" in node.meta else {}
    return fx.GraphModule(constants, graph)


def _attribute(module: nn.Module, name: str) -> torch.Tensor:
    owner, _, leaf = name.rpartition(".")
    tensor: torch.Tensor = getattr(module.get_submodule(owner), leaf)
    return tensor.detach()


def add_constant(module: nn.Module, graph: fx.Graph, tensor: torch.Tensor) -> fx.Node:
    """Add a tensor to the module's buffers and return the node that reads it.

    The node is made where the graph's insertion point is.
    """
    name = f"constant_{len(module._buffers)}"
    module.register_buffer(name, tensor)
    node = graph.create_node("get_attr", name)
    node.meta["val"] = tensor
    return node


def constant_of(module: fx.GraphModule, node: object) -> torch.Tensor | None:
    """Return the tensor that a node reads, or None for any other node or value."""
    if isinstance(node, fx.Node) and node.op == "get_attr":
        tensor = getattr(module, str(node.target))
        return tensor if isinstance(tensor, torch.Tensor) else None
    return None


def calls(module: fx.GraphModule, *targets: Target) -> Iterator[fx.Node]:
    """Yield the nodes that call one of the operators; the graph may be edited meanwhile."""
    for node in list(module.graph.nodes):
        if node.op == "call_function" and node.target in targets and not node._erased:
            yield node


def arguments(node: fx.Node, count: int) -> list[Any]:
    """Return a call's first positional arguments; None for those that are left out.

    In torch.fx's own types they are a union that nothing could be done with.
    """
    given: list[Any] = [*node.args, *[None] * count]
    return given[:count]


def with_defaults(node: fx.Node, *defaults: Any) -> list[Any]:
    """Return a call's positional arguments, and the defaults of those that it leaves out."""
    return [*node.args, *defaults[len(node.args) :]]


def is_call(node: object, *targets: Target) -> bool:
    """Return whether a node calls one of the operators."""
    return isinstance(node, fx.Node) and node.op == "call_function" and node.target in targets


def block_diagonal(blocks: Iterable[torch.Tensor]) -> torch.Tensor:
    """Return the matrix with the blocks on its diagonal, for which torch has no types."""
    matrix: torch.Tensor = torch.block_diag(*blocks)  # type: ignore[no-untyped-call]
    return matrix


class Editor:
    """Adds nodes in front of one node, and lets the last of them take its place.

    Args:
        module: Module whose graph is edited.
        node: Node in front of which nodes are added.
    """

    def __init__(self, module: fx.GraphModule, node: fx.Node) -> None:
        self.module = module
        self.node = node

    def constant(self, tensor: torch.Tensor) -> fx.Node:
        """Add a constant."""
        with self.module.graph.inserting_before(self.node):
            return add_constant(self.module, self.module.graph, tensor)

    def call(self, target: Target, *args: Any, **kwargs: Any) -> fx.Node:
        """Add a call and work out the shape of its result."""
        with self.module.graph.inserting_before(self.node):
            node = self.module.graph.call_function(target, args, kwargs)
        node.meta["val"] = _shape(target, args, kwargs)
        return node

    def replace_by(self, result: fx.Node) -> None:
        """Let ``result`` take the node's place, and remove what nobody reads any more."""
        self.node.replace_all_uses_with(result)
        remove_unused(self.module)


def remove_unused(module: fx.GraphModule) -> None:
    """Remove calls and constants whose result nobody reads."""
    for node in reversed(list(module.graph.nodes)):
        if node.op in ("call_function", "get_attr") and not node.users:
            module.graph.erase_node(node)
    read = {node.target for node in module.graph.nodes if node.op == "get_attr"}
    for name in list(module._buffers):
        # The name stays taken, so that no later constant gets it.
        if name not in read:
            module._buffers[name] = None


def shape_of(node: fx.Node) -> tuple[Any, ...]:
    """Return the shape of a node's result; the batch may be symbolic."""
    return tuple(node.meta["val"].shape)


def _shape(target: Target, args: Any, kwargs: Any) -> Any:
    nodes: list[fx.Node] = []
    fx.node.map_arg((args, kwargs), nodes.append)
    modes = [getattr(node.meta["val"], "fake_mode", None) for node in nodes]
    mode = next((mode for mode in modes if mode is not None), None)
    if mode is None:
        values = fx.node.map_arg((args, kwargs), lambda node: node.meta["val"])
        with torch.no_grad():
            return target(*values[0], **values[1])

    def value(node: fx.Node) -> Any:
        found = node.meta["val"]
        is_real = isinstance(found, torch.Tensor) and not hasattr(found, "fake_mode")
        return mode.from_tensor(found, static_shapes=True) if is_real else found

    values = fx.node.map_arg((args, kwargs), value)
    with mode, torch.no_grad():
        return target(*values[0], **values[1])
