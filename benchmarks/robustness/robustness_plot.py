"""The plot of robustness.py as SVG: a panel for each kind, a line for each network."""

from typing import Any
from xml.sax.saxutils import escape

# Nearly Okabe and Ito's colors, which color-blind readers can distinguish, made for white and
# black alike; past six networks they begin again with another dash.
COLORS = ("#1f83c4", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9")
DASHES = ("", "6 3", "2 3")
COLUMNS, WIDTH, HEIGHT = 4, 215, 165
LEFT, RIGHT, TOP, BOTTOM = 38, 12, 26, 26
LEGEND = 24
STYLE = """
text { font: 11px system-ui, sans-serif; fill: #444 } .title { font-weight: 600; fill: #222 }
.grid { stroke: #8888; stroke-width: .5 } .line { fill: none; stroke-width: 1.8 }
@media (prefers-color-scheme: dark) { text { fill: #bbb } .title { fill: #eee } }
"""


def plot(data: dict[str, Any]) -> str:
    """Mean Dice (from 0 to 1, cut to the range that is met) over severity; severity 0 is clean."""
    networks = data["networks"]
    curves = {
        name: {
            kind: [entry["mean_dice"]] + [entry["mean_dice"] - d["mean_dice_drop"] for d in drops]
            for kind, drops in entry["drops"].items()
        }
        for name, entry in networks.items()
    }
    kinds = list(next(iter(curves.values())))
    values = [value for by_kind in curves.values() for line in by_kind.values() for value in line]
    low, high = int(min(values) * 10) / 10, min(1.0, (int(max(values) * 10) + 1) / 10)
    rows = -(-len(kinds) // COLUMNS)
    legend_rows = -(-len(networks) // COLUMNS)
    width, height = COLUMNS * WIDTH, rows * HEIGHT + legend_rows * LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">',
        f"<title>Mean Dice over severity of corruption</title><style>{STYLE}</style>",
    ]
    for index, kind in enumerate(kinds):
        place = f"{index % COLUMNS * WIDTH} {index // COLUMNS * HEIGHT}"
        parts.append(f'<g transform="translate({place})">')
        parts += _axes(kind.replace("_", " "), low, high)
        for number, by_kind in enumerate(curves.values()):
            points = [_point(s, value, low, high) for s, value in enumerate(by_kind[kind])]
            way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(f'<polyline class="line" {_stroke(number)} points="{way}"/>')
        parts.append("</g>")
    for number, name in enumerate(networks):
        x, y = number % COLUMNS * WIDTH + LEFT, rows * HEIGHT + number // COLUMNS * LEGEND + 10
        parts.append(f'<line class="line" {_stroke(number)} x1="{x}" x2="{x + 26}" y1="{y}" ')
        parts[-1] += f'y2="{y}"/><text x="{x + 32}" y="{y + 4}">{escape(name)}</text>'
    return "\n".join([*parts, "</svg>"]) + "\n"


def _axes(title: str, low: float, high: float) -> list[str]:
    parts = [f'<text class="title" x="{LEFT}" y="16">{escape(title)}</text>']
    steps = round((high - low) * 10)
    every = 1 if steps <= 4 else 2
    for step in range(0, steps + 1, every):
        value = low + step / 10
        y = _point(0, value, low, high)[1]
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4}" text-anchor="end">{value:.1f}</text>')
    for severity in range(6):
        x = _point(severity, low, low, high)[0]
        parts.append(f'<text x="{x}" y="{HEIGHT - 11}" text-anchor="middle">{severity}</text>')
    return parts


def _point(severity: int, value: float, low: float, high: float) -> tuple[float, float]:
    x = LEFT + 6 + severity / 5 * (WIDTH - LEFT - RIGHT - 12)
    y = TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)
    return round(x, 1), round(y, 1)


def _stroke(number: int) -> str:
    dash = DASHES[number // len(COLORS) % len(DASHES)]
    return f'stroke="{COLORS[number % len(COLORS)]}" stroke-dasharray="{dash or "none"}"'
