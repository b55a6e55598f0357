"""What each node of a network's graph is for."""

import re

from docs.site.graph import IMAGE, Graph

_NUMBER = re.compile(r"(\.\d+)?(#\d+)?$")


def group(name: str) -> str:
    """Return the list of modules that a part belongs to, or the part itself.

    Example:
        >>> group("decoder.3"), group("nodes.0.1#2"), group("head")
        ('decoder', 'nodes.0', 'head')
    """
    return _NUMBER.sub("", name)


def in_encoder(name: str) -> bool:
    """Tell whether a node is a part of the encoder."""
    return name.partition(".")[0] == "encoder"


def spine(graph: Graph) -> list[str]:
    """Return the nodes from the encoder to the head, along the first maps that each node takes."""
    found: list[str] = []
    ahead = [graph.head]
    while ahead and ahead[0] not in found:
        found.append(ahead[0])
        ahead = [s for s in graph.sources(ahead[0]) if not in_encoder(s) and s != IMAGE]
    return found[::-1]


def spans_rows(graph: Graph, name: str) -> bool:
    """Tell whether a part takes maps of several sizes and returns one of each, as a bridge does."""
    returned = [shape[1] for shape in graph.nodes[name].shapes]
    taken = {edge.height for edge in graph.edges if edge.target == name}
    return len(returned) > 2 and len(set(returned)) == len(returned) and taken >= set(returned)


def roles(graph: Graph) -> dict[str, str]:
    """Return the role of each node.

    Returns:
        ``"image"``, ``"join"``, ``"encoder"``, ``"head"``, ``"auxiliary"`` (a head of deep
        supervision), ``"decoder"`` (on the way to the head), ``"bridge"`` (what the encoder's
        maps pass on the way to the decoder) or ``"other"``.
    """
    on_spine = {group(name) for name in spine(graph)}

    def role(name: str) -> str:
        node = graph.nodes[name]
        if name == IMAGE:
            return "image"
        if node.join:
            return "join"
        if in_encoder(name):
            return "encoder"
        if name == graph.head:
            return "head"
        if name in graph.auxiliary:
            return "auxiliary"
        if group(name) in on_spine and not spans_rows(graph, name):
            return "decoder"
        return "bridge" if any(map(in_encoder, graph.sources(name))) else "other"

    return {name: role(name) for name in graph.nodes}
