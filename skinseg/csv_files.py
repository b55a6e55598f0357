"""Tables as CSV files that spreadsheets open without computing anything."""

import csv
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from skinseg.files import write_atomically

# What makes a spreadsheet compute a cell, with apostrophes that keep it from doing so.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")


def write_csv(
    path: str | os.PathLike[str], columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Write rows atomically below a line with the names of the columns, in UTF-8.

    Args:
        path: File to make or replace, or a URL that fsspec knows.
        columns: Names, in order. A cell that a row lacks is empty.
        rows: Values by name of the column; text is `guarded`.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If a row has a value for none of the columns.
    """

    def write(temporary: Path) -> None:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            for row in rows:
                writer.writerow({name: guarded(value) for name, value in row.items()})

    write_atomically(path, write)


def guarded(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula, with an apostrophe before it.

    Text that already has apostrophes before a formula gets one more, so that `unguarded` always
    gives the text itself.

    Example:
        >>> guarded("=1+1.jpg"), guarded("'=1.jpg"), guarded("a=1.jpg"), guarded(-1)
        ("'=1+1.jpg", "''=1.jpg", 'a=1.jpg', -1)
    """
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def unguarded(text: str) -> str:
    """The text that was `guarded`."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
