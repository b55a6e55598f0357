"""Where the boxes of an architecture's figure stand: a row for each resolution, finest on top.

The encoder goes down on the left, one box below the other; everything else stands right of it,
each list of modules in a column of its own.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Mapping

from docs.site.graph import IMAGE, Edge, Graph
from docs.site.roles import group, in_encoder, roles, spans_rows, spine

BOX_WIDTH, BOX_HEIGHT = 154, 46
COLUMN, ROW = 196, 88
MARGIN_LEFT, MARGIN_RIGHT, MARGIN = 84, 88, 16
JOIN_HEIGHT = 22
# From left to right, after the encoder.
ORDER = ("bridge", "decoder", "other", "auxiliary", "head")
MOST_COLUMNS = 7


@dataclasses.dataclass(frozen=True)
class Box:
    """A rectangle around (x, y)."""

    x: float
    y: float
    width: float = BOX_WIDTH
    height: float = BOX_HEIGHT

    @property
    def left(self) -> float:
        """Its left edge."""
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        """Its upper edge."""
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height / 2


@dataclasses.dataclass(frozen=True)
class Layout:
    """Boxes and roles by the name of their node, the first y of each resolution, and the size."""

    boxes: dict[str, Box]
    roles: dict[str, str]
    rows: dict[int, float]
    width: float
    height: float

    def end_of(self, edge: Edge, name: str) -> Box:
        """Return an end of an edge: of a box over several rows, the part in the map's row."""
        box = self.boxes[name]
        if box.height > BOX_HEIGHT and edge.height in self.rows:
            return dataclasses.replace(box, y=self.rows[edge.height], height=BOX_HEIGHT)
        return box


def arrange(graph: Graph) -> Layout:
    """Place every node of a graph."""
    role = roles(graph)
    encoder = [name for name in graph.nodes if role[name] == "encoder"]
    columns = _columns(graph, role)
    stacked: defaultdict[int, list[str]] = defaultdict(list)
    for name in encoder:
        stacked[_height(graph, name)].append(name)

    rows, y = {}, MARGIN + BOX_HEIGHT + ROW / 2
    for height in sorted({_height(graph, name) for name in [*encoder, *columns]}, reverse=True):
        rows[height] = y
        y += ROW * max(1, len(stacked[height]))
    center = MARGIN_LEFT + BOX_WIDTH / 2
    boxes = {IMAGE: Box(center, MARGIN + 15, 72, 30)}
    for height, names in stacked.items():
        for index, name in enumerate(names):
            boxes[name] = Box(center, rows[height] + ROW * index)
    for name, column in columns.items():
        boxes[name] = _box(graph, name, center + COLUMN * column, rows)
    _place_joins(graph, boxes)
    width = max(box.right for box in boxes.values()) + MARGIN_RIGHT
    return Layout(boxes, role, rows, width, max(box.bottom for box in boxes.values()) + MARGIN)


def _box(graph: Graph, name: str, x: float, rows: Mapping[int, float]) -> Box:
    if not spans_rows(graph, name):
        return Box(x, rows[_height(graph, name)])
    spanned = [rows[shape[1]] for shape in graph.nodes[name].shapes if shape[1] in rows]
    first, last = min(spanned), max(spanned)
    return Box(x, (first + last) / 2, height=last - first + BOX_HEIGHT)


def _height(graph: Graph, name: str) -> int:
    """Height of the map that decides in which row a node stands."""
    if name in graph.auxiliary:  # Beside what it looks at, even where it is enlarged first.
        return _height(graph, graph.sources(name)[0])
    return graph.nodes[name].shapes[0][1]


def _columns(graph: Graph, role: Mapping[str, str]) -> dict[str, int]:
    """Column of each part outside the encoder, counted from 1."""
    by_list = _columns_by_list(graph, role)
    if max(by_list.values()) <= MOST_COLUMNS:
        return by_list
    return _columns_by_order(graph, role)


def _columns_by_order(graph: Graph, role: Mapping[str, str]) -> dict[str, int]:
    """Column of each part right of all that feed it in its row, as in a U-Net++."""
    columns: dict[str, int] = {}
    taken = set()
    reached: dict[str, dict[int, int]] = {}  # Last column of each row on the way to a node.
    for name in graph.nodes:
        ways = [reached.get(source, {}) for source in graph.sources(name)]
        last = {row: max(way.get(row, 0) for way in ways) for way in ways for row in way}
        if role[name] in ORDER:
            row = _height(graph, name)
            columns[name] = last.get(row, 0) + 1
            while (row, columns[name]) in taken:
                columns[name] += 1
            taken.add((row, columns[name]))
            last = {row: columns[name]}
        reached[name] = last
    return columns


def _columns_by_list(graph: Graph, role: Mapping[str, str]) -> dict[str, int]:
    """Column of each part: one for each list of modules, as many as it has parts in one row."""
    names = [name for name in graph.nodes if role[name] in ORDER]
    first: dict[str, tuple[int, int]] = {}
    for index, name in enumerate(names):
        key = (ORDER.index(role[name]), index)
        first[group(name)] = min(first.get(group(name), key), key)
    beside: Counter[tuple[str, int]] = Counter()
    place = {}
    for name in names:
        cell = (group(name), _height(graph, name))
        place[name] = (*first[group(name)], beside[cell])
        beside[cell] += 1
    order = {key: index for index, key in enumerate(sorted(set(place.values())), 1)}
    return {name: order[key] for name, key in place.items()}


def _place_joins(graph: Graph, boxes: dict[str, Box]) -> None:
    on_spine = spine(graph)
    touching: Counter[tuple[str, int]] = Counter()
    for name, node in graph.nodes.items():
        if not node.join:
            continue
        anchor, side = _anchor(graph, name, on_spine)
        touching[anchor, side] += 1
        box = boxes[anchor]
        edge = box.top if side < 0 else box.bottom
        y = edge + side * JOIN_HEIGHT * (touching[anchor, side] - 0.5)
        width = JOIN_HEIGHT if len(node.text) == 1 else 12 + 6.5 * len(node.text)
        boxes[name] = Box(box.x, y, width, JOIN_HEIGHT)


def _anchor(graph: Graph, name: str, on_spine: list[str]) -> tuple[str, int]:
    """Return the part that a join touches, and on which side: -1 is above it, 1 below it."""
    height = _height(graph, name)
    made = [source for source in graph.sources(name) if not in_encoder(source)]
    made.sort(key=lambda source: source not in on_spine)
    over = [one for one in made if _height(graph, one) == height and not spans_rows(graph, one)]
    targets = graph.targets(name)
    under = [target for target in targets if _height(graph, target) == height]
    # A concatenation is what the next part takes; a sum is what became of the last one.
    nearest = [*under, *over] if graph.nodes[name].text == "concat" else [*over, *under]
    nearest += [*targets, *graph.sources(name)]
    if graph.nodes[nearest[0]].join:  # Joins of one part stand on one another.
        return _anchor(graph, nearest[0], on_spine)
    above = nearest[0] in over or in_encoder(nearest[0])
    return nearest[0], -1 if above else 1
