"""The graph of a network: which of its parts feeds which, found by running it once.

The network runs on the meta device, which computes shapes alone. A part is what the figure draws
as one box: a stage of the encoder, a stage of the decoder, a bridge, a head. Between parts every
tensor remembers which part it comes from; where tensors of two parts meet in an addition, a
concatenation or the like, a join is put into the graph.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from docs.site.labels import label, parts
from skinseg.models import SegmentationModel

JOINS = {"add": "+", "cat": "concat", "mul": "×", "scatter": "unpool"}
IMAGE = "image"


@dataclasses.dataclass(frozen=True)
class Node:
    """A part, a join, or the image.

    Attributes:
        name: The part's name in the network, with a number where it runs more than once.
        text: What is in it; of a join, what it does.
        shapes: (C, H, W) of each map that it returns.
        join: Whether it is a join.
    """

    name: str
    text: str
    shapes: tuple[tuple[int, ...], ...]
    join: bool = False


@dataclasses.dataclass(frozen=True)
class Edge:
    """A map that goes from one node to another.

    Attributes:
        source: Name of the node that it comes from.
        target: Name of the node that takes it.
        height: Its height as its source returned it, in pixels.
    """

    source: str
    target: str
    height: int


@dataclasses.dataclass(frozen=True)
class Graph:
    """The nodes in the order in which they run, and the edges between them."""

    nodes: dict[str, Node]
    edges: list[Edge]
    head: str
    auxiliary: frozenset[str]

    def sources(self, name: str) -> list[str]:
        """Return the nodes that feed a node, in the order of its arguments."""
        return [edge.source for edge in self.edges if edge.target == name]

    def targets(self, name: str) -> list[str]:
        """Return the nodes that a node feeds."""
        return [edge.target for edge in self.edges if edge.source == name]


def drawn_parts(network: SegmentationModel) -> dict[str, nn.Module]:
    """Return the modules that are drawn as one box each, by their names.

    They are the parts of encoder and network that hold weights, norms left out, and those that
    give the encoder's maps.
    """
    stages = [f"encoder.{name}" for name in network.feature_info.module_name()]
    found = {}

    def visit(name: str, module: nn.Module) -> None:
        for key, child in module.named_children():
            path = f"{name}.{key}" if name else key
            holds_stages = any(stage.startswith(f"{path}.") for stage in stages)
            if holds_stages or isinstance(child, nn.ModuleList | nn.ModuleDict):
                visit(path, child)
            elif path in stages or (parts(child) and _learns(child)):
                found[path] = child

    visit("", network)
    return found


def _learns(module: nn.Module) -> bool:
    """Whether it has a weight that learns; what is frozen is there for the count alone."""
    return any(weight.requires_grad for weight in module.parameters())


def text_of(name: str, module: nn.Module) -> str:
    """Return what a box says; of a map that no module makes, the name that it has."""
    return name.rpartition(".")[2] if isinstance(module, nn.Identity) else label(module)


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    return (leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor))


class _Recorder(TorchFunctionMode):
    """Follows tensors between parts while the network runs."""

    def __init__(self, image: torch.Tensor) -> None:
        super().__init__()
        self.nodes = {IMAGE: Node(IMAGE, IMAGE, (tuple(image.shape[1:]),))}
        self.edges: list[Edge] = []
        self.inside = 0
        self._source: dict[int, tuple[str, int]] = {}
        self._kept: list[torch.Tensor] = []  # so that no id is used twice
        self.comes_from(IMAGE, image)

    def comes_from(self, name: str, tensor: torch.Tensor, height: int | None = None) -> None:
        self._source[id(tensor)] = (name, tensor.shape[-2] if height is None else height)
        self._kept.append(tensor)

    def sources(self, values: Any) -> dict[tuple[str, int], None]:
        found = (self._source.get(id(tensor)) for tensor in _tensors(values))
        return dict.fromkeys(source for source in found if source)

    def add(self, base: str, text: str, inputs: Any, outputs: Any, join: bool = False) -> None:
        runs = sum(name.partition("#")[0] == base for name in self.nodes)
        name = f"{base}#{runs + 1}" if runs else base
        maps = [tensor for tensor in _tensors(outputs) if tensor.ndim == 4]
        shapes = tuple(dict.fromkeys(tuple(tensor.shape[1:]) for tensor in maps))
        self.nodes[name] = Node(name, text, shapes, join)
        self.edges += [Edge(source, name, height) for source, height in self.sources(inputs)]
        for tensor in _tensors(outputs):
            self.comes_from(name, tensor)

    def pass_on(self, source: tuple[str, int], outputs: list[torch.Tensor]) -> None:
        name, height = source
        for tensor in outputs:
            # A join of flattened maps has a shape when they are maps again.
            if not self.nodes[name].shapes and tensor.ndim == 4:
                shape = tuple(tensor.shape[1:])
                self.nodes[name] = dataclasses.replace(self.nodes[name], shapes=(shape,))
                height = shape[1]
            self.comes_from(name, tensor, height)

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.inside:
            return result
        sources = self.sources((args, kwargs))
        outputs = list(_tensors(result))
        if len({name for name, _ in sources}) > 1 and outputs:
            plain = func.__name__.strip("_").removesuffix("_")
            kind = plain if plain in JOINS else plain.removeprefix("i")
            self.add(f"join.{kind}", JOINS.get(kind, kind), (args, kwargs), result, join=True)
        elif sources:
            self.pass_on(next(iter(sources)), outputs)
        return result


def trace(network: SegmentationModel, size: int = 256) -> Graph:
    """Run a network that lies on the meta device, and return its graph.

    Args:
        network: A network whose parameters are on the meta device.
        size: Height and width of the image, in pixels.
    """
    image = torch.zeros(1, network.in_chans, size, size, device="meta")
    recorder = _Recorder(image)
    handles = []

    def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
        recorder.inside += 1

    def leave(name: str, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        recorder.inside -= 1
        if not recorder.inside:
            recorder.add(name, text_of(name, module), (args, kwargs), output)

    for name, module in drawn_parts(network).items():
        handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
        handles.append(
            module.register_forward_hook(
                lambda m, a, k, o, name=name: leave(name, m, a, k, o), with_kwargs=True
            )
        )
    try:
        with recorder:
            logits, auxiliary = network.eval()(image, return_aux=True)
    finally:
        for handle in handles:
            handle.remove()
    ends = [name for name, _ in recorder.sources(logits)]
    side = {name for name, _ in recorder.sources(auxiliary)}
    return Graph(recorder.nodes, recorder.edges, ends[-1], frozenset(side - set(ends)))
