"""Which files of a folder are images."""

import os
import warnings
from pathlib import Path
from typing import NamedTuple

from skinseg.data.archives import files_below, split_archive
from skinseg.data.decoding import ImageError

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".dcm", ".dicom", ".gif", ".heic", ".heif", ".hif", ".jp2", ".jpe", ".jpeg", ".jpg"}
    | {".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
"""File name endings taken for images, in lower case."""


class Listing(NamedTuple):
    """The image files of a folder, and what could not be looked into.

    Attributes:
        files: Sorted by path.
        unreadable: Folders below it that cannot be listed, with a sentence that says why.
    """

    files: list[Path]
    unreadable: dict[Path, str]


def is_image_path(path: str | os.PathLike[str]) -> bool:
    """Whether a file name ends like an image (`.jpg`, `.PNG`, `.tif`, ...); files are not opened.

    Example:
        >>> is_image_path("a/lesion.JPG"), is_image_path("notes.txt")
        (True, False)
    """
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def list_images(folder: str | os.PathLike[str], recursive: bool = False) -> list[Path]:
    """The image files of a folder, sorted by path; hidden files and folders are left out.

    A folder below it that cannot be listed is left out, too, and a `UserWarning` names it.

    Args:
        folder: The folder to look into; a zip archive, or a folder in one, will do.
        recursive: Also look into the folders below it (links to folders are not followed).

    Returns:
        Paths that begin with `folder`; empty if it holds no image.

    Raises:
        ImageError: `folder` is missing, is a file, or cannot be listed.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from skinseg.data import write_png
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_png(f"{folder}/b.png", np.zeros((1, 1), np.uint8))
        ...     write_png(f"{folder}/a.png", np.zeros((1, 1), np.uint8))
        ...     [path.name for path in list_images(folder)]
        ['a.png', 'b.png']
    """
    found = look_into(folder, recursive)
    for reason in found.unreadable.values():
        warnings.warn(reason, stacklevel=2)
    return found.files


def look_into(folder: str | os.PathLike[str], recursive: bool) -> Listing:
    """List the images of a folder as `list_images` does, and the folders that it would warn of.

    Raises:
        ImageError: `folder` is missing, is a file, or cannot be listed.
    """
    folder = Path(folder)
    try:
        if split_archive(folder) is not None:
            inside = [path for path in files_below(folder) if is_image_path(path)]
            return Listing(
                sorted(path for path in inside if recursive or path.parent == folder), {}
            )
        files, folders = _entries(folder)
    except OSError as error:
        raise ImageError(
            f"Cannot list the images of '{folder}': {error.strerror or error}. "
            "Give an existing folder."
        ) from error
    unreadable = {}
    while recursive and folders:
        place = folders.pop()
        try:
            inner, further = _entries(place)
        except OSError as error:
            unreadable[place] = (
                f"Cannot look into '{place}': {error.strerror or error}. Its images are left out; "
                "give yourself permission to read it, or move it elsewhere."
            )
            continue
        files += inner
        folders += further
    return Listing(sorted(files), dict(sorted(unreadable.items())))


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """The image files and the folders directly in a folder, in any order."""
    files, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(folder / entry.name)
            elif is_image_path(entry.name) and entry.is_file():
                files.append(folder / entry.name)
    return files, folders
