"""The plot of networks.py as SVG: score over multiply-accumulates, parameters and latency."""

import math
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.protocol.labels import RADIUS, Box, Labels

WIDTH, HEIGHT = 430, 330
LEFT, RIGHT, TOP, BOTTOM = 46, 18, 30, 44
PANELS = (
    ("macs", "giga multiply-accumulates of one 256x256 image", 1e9),
    ("parameters", "million parameters", 1e6),
    ("latency_ms", "milliseconds per 256x256 image on one thread, fastest form", 1),
)
STYLE = """
text { font: 11px system-ui, sans-serif; fill: #444 } .title { font-weight: 600; fill: #222 }
.grid { stroke: #8888; stroke-width: .5 } .range { stroke: #1f83c4; stroke-width: 1; opacity: .5 }
.front { fill: none; stroke: #d55e00; stroke-width: 1.5 }
.network { fill: #1f83c4 } .best { fill: #d55e00 } .named { fill: #222 } .other { fill: #777 }
@media (prefers-color-scheme: dark) {
  text { fill: #bbb } .title, .named { fill: #eee } .other { fill: #999 }
}
"""


def plot(data: dict[str, Any]) -> str:
    """Pooled IoU over cost; those that no other beats in both are joined."""
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
        parts += panel.networks(known, cost, unit, data["fronts"][cost])
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


class Panel:
    """One plot: a logarithmic axis of cost, and a linear one of the score in percent."""

    def __init__(self, costs: list[float], low: float, high: float) -> None:
        self.first = math.floor(math.log10(min(costs)))
        self.last = max(math.ceil(math.log10(max(costs))), self.first + 1)
        self.low, self.high = low, high

    def x(self, cost: float) -> float:
        """Return where a cost is."""
        along = (math.log10(cost) - self.first) / (self.last - self.first)
        return round(LEFT + along * (WIDTH - LEFT - RIGHT), 1)

    def y(self, percent: float) -> float:
        """Return where a score is."""
        down = (self.high - percent) / (self.high - self.low)
        return round(TOP + down * (HEIGHT - TOP - BOTTOM), 1)

    def axes(self, label: str) -> list[str]:
        """Return both axes; ``label`` is what the cost is."""
        parts = [
            f'<text class="title" x="{LEFT}" y="16">Pooled IoU, percent</text>',
            f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{label}</text>',
        ]
        step = max(1, round((self.high - self.low) / 6))
        for percent in range(int(self.low), int(self.high) + 1, step):
            y = self.y(percent)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{percent}</text>')
        for power in range(self.first, self.last + 1):
            x = self.x(10.0**power)
            parts.append(
                f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            )
            parts.append(
                f'<text x="{x}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
                f"{10.0**power:g}</text>"
            )
        return parts

    def networks(
        self, rows: list[dict[str, Any]], cost: str, unit: float, front: list[str]
    ) -> list[str]:
        """Return the networks as points with names, and the front."""
        places = {
            row["network"]: (
                self.x(row[cost] / unit),
                self.y(100 * row["scores"]["pooled_iou"]["value"]),
            )
            for row in rows
        }
        line = [places[name] for name in front]
        way = " ".join(f"{x},{y}" for x, y in line)
        parts = [f'<polyline class="front" points="{way}"/>']
        for row in rows:
            name = row["network"]
            x, y = places[name]
            seeds = [self.y(100 * value) for value in row["scores"]["pooled_iou"]["by_seed"]]
            parts.append(
                f'<line class="range" x1="{x}" x2="{x}" y1="{min(seeds)}" y2="{max(seeds)}"/>'
            )
            kind = "best" if name in front else "network"
            title = f"{name}: {100 * row['scores']['pooled_iou']['value']:.2f} %"
            parts.append(
                f'<circle class="{kind}" cx="{x}" cy="{y}" r="{RADIUS}">'
                f"<title>{escape(title)}</title></circle>"
            )
        labels = Labels(Box(LEFT, TOP, WIDTH, HEIGHT - BOTTOM), list(places.values()), line)
        others = [row["network"] for row in rows if row["network"] not in front]
        for name in (*front, *others):
            found = labels.place(name, places[name], always=name in front)
            if found:
                kind = "named" if name in front else "other"
                x, y = found
                parts.append(f'<text class="{kind}" x="{x}" y="{y}">{escape(name)}</text>')
        return parts
