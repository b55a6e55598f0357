"""A plot's frame as SVG: a logarithmic axis of cost, and a linear one of the score."""

import math
from collections.abc import Collection, Mapping, Sequence
from xml.sax.saxutils import escape

from benchmarks.plots.labels import RADIUS, Box, Labels, Point

WIDTH, HEIGHT = 430, 330
LEFT, RIGHT, TOP, BOTTOM = 46, 18, 30, 44
STYLE = """
text { font: 11px system-ui, sans-serif; fill: #444 } .title { font-weight: 600; fill: #222 }
.grid { stroke: #8888; stroke-width: .5 } .range { stroke: #1f83c4; stroke-width: 1; opacity: .5 }
.front { fill: none; stroke: #d55e00; stroke-width: 1.5 }
.network { fill: #1f83c4 } .best { fill: #d55e00 } .named { fill: #222 } .other { fill: #777 }
@media (prefers-color-scheme: dark) {
  text { fill: #bbb } .title, .named { fill: #eee } .other { fill: #999 }
}
"""


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

    def point(self, kind: str, place: Point, title: str) -> str:
        """Return a point; ``title`` is shown when it is pointed at."""
        x, y = place
        return (
            f'<circle class="{kind}" cx="{x}" cy="{y}" r="{RADIUS}">'
            f"<title>{escape(title)}</title></circle>"
        )

    def names(
        self,
        places: Mapping[str, Point],
        lines: Sequence[Sequence[Point]],
        *,
        always: Collection[str],
        avoid: Sequence[Point] = (),
    ) -> list[str]:
        """Return the names of points.

        Args:
            places: Where the points are.
            lines: What the names do not cross if they can help it.
            always: Those that are named also where there is no free place; others are not, then.
            avoid: Further points that names must not cover.
        """
        frame = Box(LEFT, TOP, WIDTH, HEIGHT - BOTTOM)
        labels = Labels(frame, [*places.values(), *avoid], lines)
        parts = []
        for name in sorted(places, key=lambda name: name not in always):
            found = labels.place(name, places[name], always=name in always)
            if found:
                kind = "named" if name in always else "other"
                x, y = found
                parts.append(f'<text class="{kind}" x="{x}" y="{y}">{escape(name)}</text>')
        return parts
