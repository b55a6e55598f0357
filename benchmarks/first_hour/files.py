"""Whether files are whole, and whether they are what they were."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

from PIL import Image
from safetensors.torch import load_file

from benchmarks.first_hour.messy_folder import NAME


def digests(folder: Path) -> dict[str, str]:
    """The hash of every file below a folder, by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def unsound(folder: Path) -> list[str]:
    """What is half-written below a folder, or left over from writing; the messy folder apart."""
    problems = []
    for path in folder.rglob("*"):
        place = path.relative_to(folder)
        if place.parts[0] in (NAME, "bad"):
            continue
        if path.name.endswith((".tmp", ".part", ".incomplete")):
            problems.append(f"left behind: {place}")
            continue
        try:
            _READERS.get(path.suffix, _nothing)(path)
        except Exception as error:
            problems.append(f"not whole: {place}: {error}")
    return problems


def _nothing(path: Path) -> None:
    """Files of this kind are not read."""


def _picture(path: Path) -> None:
    with Image.open(path) as picture:
        picture.load()


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _table(path: Path) -> None:
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file, strict=True))
    if any(len(row) != len(header) for row in rows):
        raise ValueError("a row is cut")


def _weights(path: Path) -> None:
    load_file(path)
    record = path.with_name("config.json")
    if record.is_file():
        known = _json(record)["sha256"]
        if hashlib.sha256(path.read_bytes()).hexdigest() != known:
            raise ValueError(f"its record {record.name} is that of other weights")


def _page(path: Path) -> None:
    if not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise ValueError("its end is missing")


_READERS = {
    ".png": _picture,
    ".json": _json,
    ".csv": _table,
    ".safetensors": _weights,
    ".html": _page,
}
