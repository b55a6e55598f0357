"""Recorded results: figures as JSON, and the page that is made from them, in one folder."""

from pathlib import Path
from typing import Any

from skinseg.files import write_json, write_text

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "results"


def write_result(path: Path, data: Any, page: str) -> None:
    """Write figures as ``.json`` and the page made from them as ``.md``.

    Args:
        path: Of both files; its suffix is replaced.
        data: The figures, JSON data.
        page: Markdown.
    """
    write_json(path.with_suffix(".json"), data)
    write_text(path.with_suffix(".md"), page)
