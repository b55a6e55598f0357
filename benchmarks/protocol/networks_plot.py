"""The plot of networks.py as SVG: score over multiply-accumulates, parameters and latency."""

import math
from typing import Any

from benchmarks.plots.panel import HEIGHT, STYLE, WIDTH, Panel

PANELS = (
    ("macs", "giga multiply-accumulates of one 256x256 image", 1e9),
    ("parameters", "million parameters", 1e6),
    ("latency_ms", "milliseconds per 256x256 image on one thread, fastest form", 1),
)


def plot(data: dict[str, Any]) -> str:
    """Pooled IoU over cost; those that no other beats in both are joined, and named in any case."""
    rows = data["networks"]
    ious = [100 * row["scores"]["pooled_iou"]["value"] for row in rows]
    low, high = math.floor(min(ious)), math.ceil(max(ious))
    if low == high:
        high += 1
    width = WIDTH * len(PANELS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" '
        f'width="{width}" height="{HEIGHT}" role="img">',
        f"<title>Pooled IoU over cost</title><style>{STYLE}</style>",
    ]
    for index, (cost, label, unit) in enumerate(PANELS):
        known = [row for row in rows if row[cost]]
        panel = Panel([row[cost] / unit for row in known], low, high)
        parts.append(f'<g transform="translate({index * WIDTH} 0)">')
        parts += panel.axes(label)
        parts += _networks(panel, known, cost, unit, data["fronts"][cost])
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def _networks(
    panel: Panel, rows: list[dict[str, Any]], cost: str, unit: float, front: list[str]
) -> list[str]:
    """Return the networks as points with names, and the front."""
    ious = {row["network"]: row["scores"]["pooled_iou"] for row in rows}
    places = {
        row["network"]: (panel.x(row[cost] / unit), panel.y(100 * ious[row["network"]]["value"]))
        for row in rows
    }
    line = [places[name] for name in front]
    parts = [f'<polyline class="front" points="{" ".join(f"{x},{y}" for x, y in line)}"/>']
    for name, (x, y) in places.items():
        seeds = [panel.y(100 * value) for value in ious[name]["by_seed"]]
        parts.append(f'<line class="range" x1="{x}" x2="{x}" y1="{min(seeds)}" y2="{max(seeds)}"/>')
        kind = "best" if name in front else "network"
        parts.append(panel.point(kind, (x, y), f"{name}: {100 * ious[name]['value']:.2f} %"))
    return parts + panel.names(places, [line], always=front)
