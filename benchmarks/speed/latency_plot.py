"""The plot of latency.py as SVG: score of the weights that ship over the time of one pass."""

import json
from typing import Any

from benchmarks.plots.panel import HEIGHT, STYLE, WIDTH, Panel
from benchmarks.results import FOLDER

WAYS = ("published", "optimized")
SETTING = "1,1,128"
RIGHT_MARGIN = 24


def plot(data: dict[str, Any]) -> str:
    """Pooled IoU over milliseconds, of each network as published and optimized."""
    recorded = json.loads((FOLDER / "validation_scores.json").read_text(encoding="utf-8"))
    ious = {
        name.partition(".")[0]: 100 * scores[0]["pooled_iou"]
        for name, scores in recorded["scores"].items()
    }
    measured = data["latency"][SETTING]
    ious = {name: iou for name, iou in ious.items() if name in measured}
    times = {name: measured[name] for name in sorted(ious)}
    medians = {(name, way): times[name][way]["median"] for name in times for way in WAYS}
    panel = Panel(list(medians.values()), int(min(ious.values())) - 1, int(max(ious.values())) + 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img">',
        f"<title>Pooled IoU over latency</title><style>{STYLE}</style>",
        *panel.axes("milliseconds per 128x128 image, one thread"),
    ]
    places = {
        way: {name: (panel.x(medians[name, way]), panel.y(ious[name])) for name in times}
        for way in WAYS
    }
    slow, fast = (places[way] for way in WAYS)
    ways = [(fast[name], slow[name]) for name in times]
    for (x1, y), (x2, _) in ways:
        parts.append(f'<line class="range" x1="{x1}" x2="{x2}" y1="{y}" y2="{y}"/>')
    for kind, way in zip(("network", "best"), WAYS, strict=True):
        for name, place in places[way].items():
            parts.append(panel.point(kind, place, f"{name}: {medians[name, way]:.2f} ms"))
    parts += panel.names(fast, ways, always=fast, avoid=list(slow.values()))
    legend = '<text x="{x}" y="{y}" text-anchor="end">{words}</text>'
    parts += [
        legend.format(x=WIDTH - RIGHT_MARGIN, y=44, words="blue: published"),
        legend.format(x=WIDTH - RIGHT_MARGIN, y=60, words="orange: optimized"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"
