"""Recorded results: figures as JSON, and the page that is made from them, in one folder."""

from pathlib import Path
from typing import Any

from skinseg.files import write_atomically, write_json

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "results"


def write_text(path: Path, text: str) -> None:
    """Write a page or a plot, whole or not at all."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_result(path: Path, data: Any, page: str) -> None:
    """Write figures as ``.json`` and the page made from them as ``.md``.

    Args:
        path: Of both files; its suffix is replaced.
        data: The figures, JSON data.
        page: Markdown.
    """
    write_json(path.with_suffix(".json"), data)
    write_text(path.with_suffix(".md"), page)
