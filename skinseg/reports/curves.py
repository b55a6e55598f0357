"""Curves of a training run as SVG, in the colors of the page they stand on."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 440, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 428, 14, 202


def chart(
    title: str,
    lines: Mapping[str, Sequence[float]],
    *,
    marked: int | None = None,
    fixed: tuple[float, float] | None = None,
) -> str:
    """Return a chart of values by epoch as HTML: an SVG image under its title.

    Args:
        title: What is shown.
        lines: Values of the epochs from 1 on, by name; two lines at most can be told apart.
        marked: Epoch that gets a vertical line: the one that was kept.
        fixed: Lower and upper end of the axis; chosen from the values if None.
    """
    values = [value for line in lines.values() for value in line if math.isfinite(value)]
    epochs = max(map(len, lines.values()))
    ticks = _ticks(*(fixed or (min(values), max(values))))
    low, high = ticks[0], ticks[-1]

    def x(epoch: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (epoch - 1) / max(1, epochs - 1)

    def y(value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (value - low) / (high - low)

    parts = []
    for tick in ticks:
        parts.append(
            f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" '
            f'class="rule"/><text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" '
            f'text-anchor="end">{tick:g}</text>'
        )
    for epoch in _epoch_ticks(epochs):
        parts.append(f'<text x="{x(epoch):.1f}" y="220" text-anchor="middle">{epoch}</text>')
    if marked is not None:
        parts.append(
            f'<line x1="{x(marked):.1f}" x2="{x(marked):.1f}" y1="{_TOP}" y2="{_BOTTOM}" '
            f'class="kept"><title>epoch {marked} was kept</title></line>'
        )
    for number, (name, line) in enumerate(lines.items()):
        parts.append(_line(name, line, number, x, y))
    keys = "".join(
        f'<span><i class="key{number}"></i>{escape(name)}</span>'
        for number, name in enumerate(lines)
        if len(lines) > 1
    )
    return (
        f'<figure class="chart"><figcaption><b>{escape(title)}</b><span class="keys">{keys}</span>'
        f'</figcaption><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)} by epoch">{"".join(parts)}</svg></figure>'
    )


CHART_STYLE = """
.charts {
  display: grid; gap: 1rem; margin-top: .75rem;
  grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr));
}
.chart figcaption {
  display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem;
  padding: .6rem .8rem 0;
}
.chart figcaption b { display: inline; }
.chart svg { max-width: none; margin: 0; padding: 0 .5rem .5rem; }
.keys { display: flex; gap: 1rem; }
.keys span { display: flex; align-items: center; gap: .4rem; }
.keys i { width: 1.2rem; height: 3px; border-radius: 2px; }
.rule { stroke: var(--rule); }
.kept { stroke: var(--faint); stroke-dasharray: 3 4; }
.line0, .line1 { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.line0 { stroke: var(--bar); }
.line1 { stroke: var(--other); }
.dot0 { fill: var(--bar); }
.dot1 { fill: var(--other); }
.key0 { background: var(--bar); }
.key1 { background: var(--other); }
:root { --other: #b4562f; }
@media (prefers-color-scheme: dark) { :root { --other: #e8956d; } }
"""
"""CSS of the charts, for a page of :func:`skinseg.reports.page.document`."""


def _line(
    name: str,
    line: Sequence[float],
    number: int,
    x: Callable[[float], float],
    y: Callable[[float], float],
) -> str:
    points = [(x(epoch), y(value)) for epoch, value in enumerate(line, 1) if math.isfinite(value)]
    title = f"<title>{escape(name)}</title>"
    if len(points) == 1:
        [(left, top)] = points
        return f'<circle cx="{left:.1f}" cy="{top:.1f}" r="4" class="dot{number}">{title}</circle>'
    listed = " ".join(f"{left:.1f},{top:.1f}" for left, top in points)
    return f'<polyline points="{listed}" class="line{number}">{title}</polyline>'


def _ticks(low: float, high: float) -> list[float]:
    """Round values that enclose all, three to six of them."""
    if high - low < 1e-12:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def _epoch_ticks(epochs: int) -> list[int]:
    step = max(1, round(epochs / 6))
    for round_step in (1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000):
        if round_step >= step:
            step = round_step
            break
    ticks = [1, *range(step, epochs + 1, step)]
    return sorted({tick for tick in ticks if tick == 1 or tick >= 1 + step / 2})
