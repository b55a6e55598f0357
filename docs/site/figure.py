"""An architecture's figure as SVG, drawn from its graph; the same network gives the same text."""

import textwrap
from xml.sax.saxutils import escape

from docs.site.graph import IMAGE, Graph
from docs.site.layout import ROW, Box, Layout, arrange
from docs.site.roles import spans_rows
from docs.site.routes import route

# Text has a contrast of at least 4.5 with what it stands on, in both schemes.
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1c2733; text-anchor: middle }
.size { fill: #51606f; font-size: 11px } .row { fill: #51606f; text-anchor: start }
rect { stroke-width: 1.2; fill: #f0f2f4; stroke: #7a8794 } .arrow { fill: #7a8794 }
.line { fill: none; stroke: #7a8794; stroke-width: 1.4 } .grid { stroke: #8885 }
.skip { stroke: #3573b8; stroke-dasharray: 5 3 } .join { fill: #fff }
.encoder { fill: #e3effb; stroke: #3573b8 } .decoder { fill: #e2f4ea; stroke: #2f8a5b }
.bridge { fill: #fdeedb; stroke: #b8741a } .head, .auxiliary { fill: #f1e8f8; stroke: #8052a8 }
@media (prefers-color-scheme: dark) {
text { fill: #eef2f6 } .size, .row { fill: #b4c0cc } .line { stroke: #8b98a5 }
rect { fill: #2b333b; stroke: #8b98a5 } .arrow { fill: #8b98a5 } .join { fill: #22282e }
.skip { stroke: #6fb1ee } .encoder { fill: #17324d; stroke: #6fb1ee }
.decoder { fill: #153a28; stroke: #5cbf8b } .bridge { fill: #47310f; stroke: #e0a553 }
.head, .auxiliary { fill: #38244a; stroke: #bd90e0 } }
"""
ARROW = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
    'markerHeight="7" orient="auto"><path class="arrow" d="M0 0L8 4L0 8z"/></marker></defs>'
)
LINE_LENGTH = 23


def draw(graph: Graph, title: str) -> str:
    """Draw a network.

    Args:
        graph: The network's graph, traced with a square image.
        title: Title of the picture, for those who cannot see it.

    Returns:
        The SVG, complete in itself, for light and dark pages.
    """
    layout = arrange(graph)
    width, height = round(layout.width), round(layout.height)
    head = layout.boxes[graph.head]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img">',
            f"<title>{escape(title)}</title><style>{STYLE}</style>{ARROW}",
            *_rows(graph, layout),
            *_lines(graph, layout),
            *(_node(graph, name, layout) for name in layout.boxes),
            _line(f"M{head.right:.0f} {head.y:.0f}h34"),
            _text(head.right + 58, head.y + 4, "logits"),
            "</svg>\n",
        ]
    )


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f'<text{attribute} x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>'


def _line(path: str, kind: str = "line") -> str:
    return f'<path class="{kind}" marker-end="url(#arrow)" d="{path}"/>'


def _rows(graph: Graph, layout: Layout) -> list[str]:
    image = graph.nodes[IMAGE].shapes[0][1]
    lines = []
    for height, y in layout.rows.items():
        factor = image // height if image % height == 0 else 0
        fraction = {0: "", 1: "H"}.get(factor, f"H/{factor}")
        lines.append(
            f'<path class="grid" d="M12 {y - ROW / 2:.0f}H{layout.width - 12:.0f}"/>'
            + _text(12, y, fraction, "row")
            + _text(12, y + 15, f"{height}×{height}", "row")
        )
    return lines


def _lines(graph: Graph, layout: Layout) -> list[str]:
    encoder = [name for name in graph.nodes if layout.roles[name] == "encoder"]
    solid = [box for name, box in layout.boxes.items() if layout.roles[name] != "join"]
    lines = []
    for edge in graph.edges:
        start, end = layout.end_of(edge, edge.source), layout.end_of(edge, edge.target)
        path = route(start, end, solid)
        if path:
            is_skip = edge.source in encoder[:-1] and edge.target not in encoder
            lines.append(_line(path, "line skip" if is_skip else "line"))
    return lines


def _rect(box: Box, kind: str, radius: float) -> str:
    return (
        f'<rect class="{kind}" x="{box.left:.0f}" y="{box.top:.0f}" width="{box.width:.0f}" '
        f'height="{box.height:.0f}" rx="{radius:.0f}"/>'
    )


def _node(graph: Graph, name: str, layout: Layout) -> str:
    box, role, node = layout.boxes[name], layout.roles[name], graph.nodes[name]
    if role == "join":
        return _rect(box, role, box.height / 2) + _text(box.x, box.y + 4, node.text)
    rect = _rect(box, role, 5)
    if role == "image":
        return rect + _text(box.x, box.y + 4, node.text)
    shape = node.shapes[0]
    size = f"{shape[0]} channel{'s' if shape[0] > 1 else ''}"
    prefix = {"head": "head: ", "auxiliary": "auxiliary: "}.get(role, "")
    caption = _caption(box, prefix + node.text, "every map" if spans_rows(graph, name) else size)
    return f"<g><title>{escape(name)}</title>{rect}{caption}</g>"


def _caption(box: Box, text: str, size: str) -> str:
    lines = textwrap.wrap(text, LINE_LENGTH)
    if len(lines) > 2:
        rest = textwrap.shorten(" ".join(lines[1:]), LINE_LENGTH, placeholder=" …")
        lines = [lines[0], rest]
    first = box.y + 4 - 13 * len(lines) / 2
    texts = [_text(box.x, first + 13 * index, line) for index, line in enumerate(lines)]
    return "".join([*texts, _text(box.x, first + 13 * len(lines) + 1, size, "size")])
