"""Which image files the user means."""

import csv
import dataclasses
import glob
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import skinseg
from skinseg.csv_files import unguarded
from skinseg.data.archives import exists, is_folder, is_hidden
from skinseg.data.listing import look_into
from skinseg.errors import MissingPackageError
from skinseg.locations import (
    Location,
    as_location,
    file_key,
    files_at,
    folder_of,
    is_url,
    joined,
    name_key,
    path_of,
    read_url,
)

LIST_SUFFIXES = (".txt", ".csv")
"""File name endings taken for lists of images."""

COLUMN = "file"
"""Column of a list in CSV that names the images; tables of predictions have it, too."""

# What tells a table of predictions, whose names are not seen from its own folder.
_MASKS = "mask_file"


@dataclasses.dataclass
class Inputs:
    """Image files, and what went wrong in finding them.

    Attributes:
        files: In the order given; each file once.
        missing: What was asked for and is not there, with the reason.
    """

    files: list[Location] = dataclasses.field(default_factory=list)
    missing: dict[str, str] = dataclasses.field(default_factory=dict)


def find_images(
    arguments: Sequence[str], *, recursive: bool = False, leave_out: Location | None = None
) -> Inputs:
    r"""Find the files of arguments that are files, folders, patterns, lists or URLs.

    A file is taken whatever its name ends in; of a folder its images are, and of a zip archive
    all, as most archives hold a folder. What a list names is looked for when it is read.

    Args:
        arguments: Paths and URLs; ``*``, ``?``, ``[...]`` and ``**`` are expanded, for shells that
            do not. A file that ends in ``.txt`` has a location per line, one in ``.csv`` a column
            ``file``; paths in them are relative to the list's folder, those of a table of
            predictions to the working directory, as when it was written.
        recursive: Also take the images of the folders below.
        leave_out: Folder that is passed over when folders are searched, or are named with others,
            as results are there.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "images.txt").write_text("a/x.jpg\ns3://bucket/y.jpg\n")
        >>> [str(file) for file in find_images([f"{folder}/images.txt"]).files]
        ['.../a/x.jpg', 's3://bucket/y.jpg']
    """
    inputs = Inputs()
    seen = set()
    for argument in arguments:
        if len(arguments) > 1 and _is_results(argument, leave_out):
            continue  # A shell has named it, with all the others.
        for file in _files_of(argument, recursive, leave_out, inputs):
            key = file_key(file)
            if key not in seen:
                seen.add(key)
                inputs.files.append(file)
    return inputs


def _files_of(
    argument: str, recursive: bool, leave_out: Location | None, inputs: Inputs
) -> Iterator[Location]:
    if is_url(argument):
        yield from _listed_or_found(argument, recursive, leave_out, inputs)
        return
    try:
        paths = [Path(argument)] if exists(argument) else _expanded(argument)
    except OSError as error:
        inputs.missing[argument] = _unreadable(argument, error)
        return
    if not paths:
        inputs.missing[argument] = f"{_nothing(argument)} '{argument}'. Check the path."
    if len(paths) > 1:
        paths = [path for path in paths if not _is_results(path, leave_out)]
    for path in paths:
        if path.suffix.lower() in LIST_SUFFIXES and not is_folder(path):
            yield from _listed(path, inputs)
        else:
            yield from _images_of(path, recursive, leave_out, inputs)


def _is_results(path: str | Path, leave_out: Location | None) -> bool:
    """Whether a path is the folder to leave out."""
    if leave_out is None or is_url(leave_out) or not os.path.isdir(path):
        return False
    return Path(path).resolve() == Path(leave_out).resolve()


def _nothing(argument: str) -> str:
    return "no file matches" if glob.has_magic(argument) else "there is no such file"


def _expanded(pattern: str) -> list[Path]:
    return [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]


def _images_of(
    path: Path, recursive: bool, leave_out: Location | None, inputs: Inputs
) -> list[Path]:
    if not is_folder(path):
        return [path]
    archived = not path.is_dir()
    try:
        files, unreadable = look_into(path, recursive or archived)
    except skinseg.data.ImageError as error:
        inputs.missing[str(path)] = str(error)
        return []
    if leave_out is not None and not is_url(leave_out):
        excluded = Path(leave_out).resolve()
        if path.resolve() in excluded.parents:
            files = [file for file in files if excluded not in file.resolve().parents]
    inputs.missing.update({str(folder): reason for folder, reason in unreadable.items()})
    if not files and not unreadable:
        remedy = "" if recursive or archived else "; recursive=True looks into the folders below"
        inputs.missing[str(path)] = f"'{path}' holds no image{remedy}."
    return files


def _listed_or_found(
    url: str, recursive: bool, leave_out: Location | None, inputs: Inputs
) -> list[Location]:
    """The images of a URL, which may be a list."""
    if path_of(url).suffix.lower() in LIST_SUFFIXES and not glob.has_magic(url):
        return _listed(url, inputs)
    try:
        # As of an archive on disk, all images are taken.
        found = files_at(url, recursive=recursive or url.startswith("zip:"))
    except (OSError, MissingPackageError) as error:
        inputs.missing[url] = _unreadable(url, error)
        return []
    if url not in found and not glob.has_magic(url.partition("::")[0]):
        found = [file for file in found if skinseg.data.is_image_path(path_of(file))]
    if not is_hidden(path_of(url).as_posix()):
        found = [file for file in found if not is_hidden(path_of(file).as_posix())]
    if is_url(leave_out) and url.rstrip("/") != leave_out.rstrip("/"):
        found = [file for file in found if not file.startswith(leave_out.rstrip("/") + "/")]
    if not found:
        inputs.missing[url] = f"{_nothing(url)} at '{url}', and no folder with images. Check it."
    return list(found)


def _listed(place: Location, inputs: Inputs) -> list[Location]:
    """The images that a list names."""
    folder = folder_of(place)
    try:
        content = read_url(place) if is_url(place) else Path(place).read_bytes()
        text = content.decode("utf-8-sig")
        plain = path_of(place).suffix.lower() == ".txt"
        found = _in_lines(text, folder) if plain else _in_table(text, folder)
    except (OSError, ValueError, csv.Error, MissingPackageError) as error:
        inputs.missing[str(place)] = _unreadable(place, error)
        return []
    if not found:
        inputs.missing[str(place)] = f"the list '{place}' names no image."
    return found


def _in_lines(text: str, folder: Location) -> list[Location]:
    return [_beside(folder, name) for name in text.splitlines() if name.strip()]


def _in_table(text: str, folder: Location) -> list[Location]:
    table = csv.DictReader(io.StringIO(text, newline=""))
    columns = table.fieldnames or ()
    if COLUMN not in columns:
        raise ValueError(f"its first line names no column '{COLUMN}', but {', '.join(columns)}")
    place = _as_predicted if _MASKS in columns else _beside
    names = [unguarded(row[COLUMN] or "") for row in table]
    return [place(folder, name) for name in names if name.strip()]


def _beside(folder: Location, name: str) -> Location:
    """What a name in a list stands for, seen from the list's folder."""
    return as_location(name) if is_url(name) or os.path.isabs(name) else joined(folder, name)


def _as_predicted(folder: Location, name: str) -> Location:
    """What a name in a table of predictions stands for: what it stood for in that command."""
    return Path(name) if not is_url(name) and exists(name) else _beside(folder, name)


def _unreadable(place: Location, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return f"'{place}' cannot be read: {reason}."


def name_clashes(files: Sequence[Location], output: Location) -> list[str]:
    """Tell what would overwrite one another: results with equal names, or results and inputs.

    Returns:
        A sentence for each clash; none if all is well.
    """
    clashes = []
    first: dict[str, Location] = {}
    for file in files:
        own = path_of(file).stem
        stem = name_key(own, output)
        if stem in first:
            clashes.append(
                f"'{first[stem]}' and '{file}' would both be written as '{own}_mask.png'."
            )
        first.setdefault(stem, file)
    if _plain(output) in map(_plain, {folder_of(file) for file in files}):
        clashes.append(
            f"the output folder '{output}' holds input images, and results might replace masks "
            "that are beside them."
        )
    return clashes


def _plain(folder: Location) -> str:
    """One of several ways to write a folder."""
    return folder.rstrip("/") if is_url(folder) else str(Path(folder).resolve())
