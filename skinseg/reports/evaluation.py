"""The result of an evaluation as files: JSON, Markdown, and one HTML page."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skinseg.csv_files import write_csv
from skinseg.evaluation.definitions import DEFINITIONS, LABELS, RULES
from skinseg.evaluation.result import EvaluationResult
from skinseg.files import write_json, write_text
from skinseg.formatting import counted
from skinseg.reports.gallery import Picture
from skinseg.reports.page import page
from skinseg.reports.tables import Table, lesion_size_table, markdown_table, score_table

FILES = ("evaluation.json", "evaluation.md", "gallery.html", "per_image.csv")
_STEPS = ("fill_holes", "largest_component")
Gallery = Mapping[str, list[Picture]]


def write_evaluation_report(
    result: EvaluationResult, folder: str | os.PathLike[str], gallery: Gallery | None = None
) -> list[Path]:
    """Write ``evaluation.json``, ``evaluation.md``, ``gallery.html`` and ``per_image.csv``.

    Each is written atomically. The CSV has a line per image and size: counts and scores.

    Args:
        result: What :func:`skinseg.evaluation.evaluate` returned.
        folder: Made if it does not exist.
        gallery: Pictures for the page, as :func:`skinseg.reports.draw_gallery` draws them.

    Returns:
        The four files.

    Raises:
        OSError: If the folder cannot be written to.
    """
    gallery = gallery or {}
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / name for name in FILES]
    shown = {kind: [picture.case.id for picture in cases] for kind, cases in gallery.items()}
    write_json(files[0], {**result.to_dict(), "gallery": shown})
    texts = (evaluation_markdown(result), evaluation_html(result, gallery))
    for file, text in zip(files[1:3], texts, strict=True):
        write_text(file, text)
    rows = _per_image(result)
    write_csv(files[3], list(rows[0]), rows)
    return files


def _per_image(result: EvaluationResult) -> list[dict[str, Any]]:
    """A row for each image at each size, and one more without post-processing if there is any."""
    results = {"": result}
    if result.without_postprocessing is not None:
        results = {"yes": result, "no": result.without_postprocessing}
    return [
        {"size": size, **({"postprocessed": name} if name else {}), **case.to_dict()}
        for name, scored in results.items()
        for size, cases in scored.cases.items()
        for case in cases
    ]


def evaluation_tables(result: EvaluationResult) -> list[Table]:
    """Return the scores of all images, then those by lesion size, as text for each cell.

    Where all images are of the network's size, both sizes have one table.
    """
    captions = _captions(result)
    sizes = result.lesion_sizes
    plain = result.without_postprocessing
    without = {} if plain is None else plain.summaries
    return [
        *(score_table(text, result.summaries[size]) for size, text in captions.items()),
        *(
            score_table(f"{text}, without post-processing", without[size])
            for size, text in captions.items()
            if size in without
        ),
        *(lesion_size_table(text, sizes[size]) for size, text in captions.items()),
    ]


def evaluation_markdown(result: EvaluationResult) -> str:
    """Return a summary for reading, in Markdown."""
    parts = [
        f"# {result.model} on {result.data}",
        f"{counted(result.images, 'image')}. {_setting_line(result)}",
        *(markdown_table(table) for table in evaluation_tables(result)),
        "## What the scores mean",
        "\n".join(f"- {LABELS[name]}: {text}." for name, text in DEFINITIONS.items()),
        "\n".join(f"- {rule}" for rule in RULES),
    ]
    return "\n\n".join(parts) + "\n"


def evaluation_html(result: EvaluationResult, gallery: Gallery | None = None) -> str:
    """Return one self-contained page: the scores, and the gallery with its pictures inside."""
    first = next(iter(result.cases))
    dice = [case.scores["dice"] for case in result.cases[first]]
    subtitle = f"{counted(result.images, 'image')} on {result.data}. {_setting_line(result)}"
    return page(result.model, subtitle, evaluation_tables(result), gallery or {}, dice)


def _captions(result: EvaluationResult) -> dict[str, str]:
    """What to call each size that has scores of its own."""
    height, width = result.settings["input_size"]
    captions = {
        "own": "at their own size",
        "model": f"at the network's size ({width} x {height})",
    }
    shown = {size: text for size, text in captions.items() if size in result.cases}
    same = {(case.height, case.width) for case in result.cases.get("own", ())}
    if len(shown) == 2 and same == {(height, width)}:
        return {"own": f"at their own size, which is the network's ({width} x {height})"}
    return shown


def _setting_line(result: EvaluationResult) -> str:
    settings = result.settings
    steps = [name.replace("_", " ") for name in _STEPS if settings[name]]
    after = f" Post-processing: {', '.join(steps)}." if steps else ""
    tile = settings["tile"]
    tiles = "" if tile is None else f" Tiles of {tile} x {tile} pixels."
    flips = ", averaged over four flips" if settings["tta"] else ""
    resamples = settings["bootstrap"]
    intervals = f" Intervals: 95 %, {counted(resamples, 'resample')}." if resamples else ""
    return f"Lesion: probability {settings['threshold']:g} or more{flips}.{tiles}{after}{intervals}"
