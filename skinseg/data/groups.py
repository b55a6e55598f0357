"""Which images belong together: of one patient, or of one lesion."""

import csv
import os
from pathlib import Path, PurePosixPath

from skinseg.data.listing import is_image_path
from skinseg.data.pairs import DatasetError


def read_groups(path: str | os.PathLike[str]) -> dict[str, str]:
    r"""Read the group of each image from a CSV file.

    A line has the image's id or file name, then its group (a patient, a lesion); further columns
    do not count. Folders belong to the name as they do to the id: `anna/x.jpg` is `anna/x`.
    A list of paths will do for images that are in one folder: `x` is found, too, unless two groups
    have it.
    Columns are divided by commas, semicolons or tabs. A line of headings may come first, and
    images may be named that a data set does not have.

    Args:
        path: The file, in UTF-8.

    Returns:
        Groups by id.

    Raises:
        DatasetError: The file cannot be read, a line has no group, or an image has two.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "patients.csv").write_text("image,patient\nx.jpg,7\ny.jpg,7\n")
        ...     read_groups(Path(folder, "patients.csv"))["x"]
        '7'
    """
    groups: dict[str, str] = {}
    for number, cells in enumerate(_rows(path), start=1):
        if len(cells) < 2 or not cells[0] or not cells[1]:
            raise DatasetError(
                f"Line {number} of '{os.fspath(path)}' names no group: {cells}. Write an image and "
                "its group into each line, as x.jpg,patient 7."
            )
        name, group = cells[:2]
        for id in {name, _id_of(name)}:
            if groups.setdefault(id, group) != group:
                raise DatasetError(
                    f"'{os.fspath(path)}' puts {id!r} into two groups, {groups[id]!r} and "
                    f"{group!r}. Leave one of them."
                )
    return {**_without_folders(groups), **groups}


def _without_folders(groups: dict[str, str]) -> dict[str, str]:
    """Groups by bare names, each of which is in one group alone: a list of paths will do."""
    found: dict[str, set[str]] = {}
    for id, group in groups.items():
        found.setdefault(_id_of(id).rpartition("/")[2], set()).add(group)
    return {name: min(several) for name, several in found.items() if len(several) == 1}


def _id_of(name: str) -> str:
    # Lists that were made on Windows divide folders by backslashes.
    place = PurePosixPath(name.replace("\\", "/"))
    return str(place.with_suffix("") if is_image_path(name) else place)


def _rows(path: str | os.PathLike[str]) -> list[list[str]]:
    try:
        # Spreadsheets begin a file with a byte order mark.
        text = Path(path).read_text(encoding="utf-8-sig")
        lines = [line for line in text.splitlines() if line.strip()]
        delimiter = next((mark for mark in "\t;" if mark in next(iter(lines), "")), ",")
        rows = list(csv.reader(lines, delimiter=delimiter))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(
            f"Cannot read the groups in '{os.fspath(path)}': {reason}. Give a CSV file with an "
            "image and its group in each line."
        ) from error
    if not rows:
        raise DatasetError(f"'{os.fspath(path)}' holds no groups. Write an image and its group.")
    return [[cell.strip() for cell in row] for row in rows]
