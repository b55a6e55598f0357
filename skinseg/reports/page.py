"""One HTML file with everything in it: no script, no other file, no network."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

from skinseg.evaluation.definitions import DEFINITIONS, LABELS, RULES
from skinseg.formatting import counted
from skinseg.reports.gallery import PREDICTED_COLOR, TRUE_COLOR, Picture
from skinseg.reports.tables import Table

_KINDS = {
    "worst": ("Worst", "Lowest Dice, worst first"),
    "median": ("Median", "Around the median Dice"),
    "best": ("Best", "Highest Dice, best first"),
}
_HISTOGRAM_BINS = 20

_STYLE = """
:root {
  color-scheme: light dark;
  --ground: #f7f7f5; --card: #ffffff; --text: #1c1f23; --faint: #5c636c; --rule: #deded9;
  --bar: #3f7d8c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #131517; --card: #1c1f22; --text: #e9e9e6; --faint: #a2a9b1; --rule: #33383d;
    --bar: #6cb6c6;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 76rem;
  background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
h1 { margin: 0; font-size: 1.7rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 .15rem; font-size: 1.15rem; }
p { margin: .25rem 0 0; }
.faint, figcaption, caption, .note { color: var(--faint); font-size: .9rem; }
.legend { display: flex; flex-wrap: wrap; gap: .4rem 1.5rem; margin-top: 1rem; font-size: .9rem; }
.legend span { display: flex; align-items: center; gap: .5rem; }
.legend i { width: 2rem; height: 9px; border: 2px solid #1116; border-radius: 5px; }
.grid {
  display: grid; gap: 1rem; margin-top: .75rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(16rem, 100%), 1fr));
}
figure {
  margin: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 10px;
  overflow: hidden; display: flex; flex-direction: column;
}
.picture { position: relative; cursor: crosshair; }
.picture img {
  position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain;
}
.picture img + img { transition: opacity .12s; }
.picture:hover img + img, .picture:focus-visible img + img { opacity: 0; }
.picture:focus-visible { outline: 3px solid var(--bar); outline-offset: -3px; }
figcaption { padding: .6rem .8rem .75rem; }
figcaption b {
  display: block; color: var(--text); font-weight: 600; overflow-wrap: anywhere;
}
figcaption dl { display: grid; grid-template-columns: auto 1fr; gap: 0 .8rem; margin: .25rem 0 0; }
dd { margin: 0; text-align: right; color: var(--text); font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; margin-top: .75rem; }
table { border-collapse: collapse; min-width: 100%; font-variant-numeric: tabular-nums; }
th, td {
  padding: .4rem .8rem; border-bottom: 1px solid var(--rule); text-align: right;
  white-space: nowrap;
}
th { color: var(--faint); font-weight: 500; font-size: .9rem; }
th:first-child, td:first-child { text-align: left; }
details { margin: 2rem 0 1rem; font-size: .9rem; }
summary { cursor: pointer; }
svg { display: block; width: 100%; max-width: 40rem; margin-top: .75rem; }
svg text { fill: var(--faint); font-size: 11px; }
"""


def page(
    title: str,
    subtitle: str,
    tables: Sequence[Table],
    gallery: Mapping[str, list[Picture]],
    dice: Sequence[float],
) -> str:
    """Return the page of an evaluation.

    Args:
        title: Name of the network.
        subtitle: Data and settings.
        tables: Scores.
        gallery: Pictures by kind.
        dice: Dice of each image, for the histogram.
    """
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="faint">{escape(subtitle)}</p>',
        gallery_sections(gallery),
        dice_histogram(dice),
        *(html_table(table) for table in tables),
        _meanings(),
        '<p class="note">For research. Not a medical device.</p>',
    ]
    return document(f"{title}: evaluation", body)


def document(title: str, body: Sequence[str], style: str = "") -> str:
    """Return an HTML document of our looks, in light and dark.

    Args:
        title: What the window is called.
        body: HTML, part by part.
        style: CSS beyond that of all pages.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}{style}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def gallery_sections(gallery: Mapping[str, list[Picture]]) -> str:
    """Return the legend of the outlines, and a section for each kind of case; all as HTML."""
    if not gallery:
        return ""
    return "\n".join([_legend(), *(_section(kind, shown) for kind, shown in gallery.items())])


def _legend() -> str:
    entries = (("true outline", TRUE_COLOR), ("predicted outline", PREDICTED_COLOR))
    keys = "".join(
        f'<span><i style="background:rgb{color}"></i>{name}</span>' for name, color in entries
    )
    hint = "<span>Point at a picture to see it without outlines.</span>"
    return f'<div class="legend">{keys}{hint}</div>'


def _section(kind: str, pictures: list[Picture]) -> str:
    heading, note = _KINDS[kind]
    figures = "\n".join(map(_figure, pictures))
    return (
        f'<h2>{heading}</h2>\n<p class="faint">{note}.</p>\n<div class="grid">\n{figures}\n</div>'
    )


def _figure(picture: Picture) -> str:
    case = picture.case
    width, height = picture.size
    facts = {
        "Dice": f"{case.scores['dice']:.3f}",
        "IoU": f"{case.scores['iou']:.3f}",
        "HD95": f"{case.scores['hd95']:.1f} px",
        "Lesion": f"{case.lesion_fraction:.1%} of {case.width} x {case.height}",
    }
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())
    name = escape(case.id)
    return (
        f'<figure><div class="picture" tabindex="0" style="aspect-ratio:{width}/{height}">'
        f'<img alt="{name}" src="{_data_uri(picture.plain)}">'
        f'<img alt="{name} with true and predicted outline" src="{_data_uri(picture.outlined)}">'
        f"</div><figcaption><b>{name}</b><dl>{listed}</dl></figcaption></figure>"
    )


def _data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def dice_histogram(values: Sequence[float]) -> str:
    """Return a histogram of images' Dice under its heading, as HTML."""
    counts = [0] * _HISTOGRAM_BINS
    for value in values:
        counts[min(int(value * _HISTOGRAM_BINS), _HISTOGRAM_BINS - 1)] += 1
    tallest = max(counts)
    bars = []
    for index, count in enumerate(counts):
        height = 100 * count / tallest
        low, high = index / _HISTOGRAM_BINS, (index + 1) / _HISTOGRAM_BINS
        bars.append(
            f'<rect x="{10 + 29 * index}" y="{118 - height:.1f}" width="26" height="{height:.1f}" '
            f'rx="2" fill="var(--bar)"><title>Dice {low:.2f} to {high:.2f}: {count}</title></rect>'
        )
        if count:
            x, y = 23 + 29 * index, 114 - height
            bars.append(f'<text x="{x}" y="{y:.1f}" text-anchor="middle">{count}</text>')
    ticks = [
        f'<text x="{10 + 580 * tick / 5:.0f}" y="134" text-anchor="middle">{tick / 5:.1f}</text>'
        for tick in range(6)
    ]
    axis = '<line x1="8" y1="118.5" x2="592" y2="118.5" stroke="var(--rule)"/>'
    return (
        f"<h2>Dice of the {counted(len(values), 'image')}</h2>\n"
        '<svg viewBox="0 0 600 140" role="img" aria-label="Histogram of Dice">'
        f"{axis}{''.join(bars)}{''.join(ticks)}</svg>"
    )


def _meanings() -> str:
    scores = [f"{LABELS[name]}: {text}." for name, text in DEFINITIONS.items()]
    items = "".join(f"<li>{escape(text)}</li>" for text in (*scores, *RULES))
    return f"<details><summary>What the scores mean</summary><ul>{items}</ul></details>"


def html_table(table: Table) -> str:
    """Return a table under its title, as HTML."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.header)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    return (
        f'<h2>{escape(table.title)}</h2>\n<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
