"""Folders in zip archives, read in place: ``photos.zip/lesions/x.jpg`` is a path of a file."""

import functools
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

MAX_BYTES = 2**30
"""Size above which a file of an archive is not unpacked."""


def split_archive(path: str | os.PathLike[str]) -> tuple[Path, str] | None:
    """Split a path that leads into an archive.

    Args:
        path: Any path.

    Returns:
        The archive and the name of the file or folder in it, empty for the archive itself; None
        if the path leads into no archive.

    Example:
        >>> split_archive("photos/x.jpg") is None
        True
    """
    path = Path(path)
    for place in (path, *path.parents):
        if place.suffix.lower() == ".zip" and place.is_file():
            return place, "" if path == place else path.relative_to(place).as_posix()
    return None


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether there is a folder, on disk or in an archive; an archive is a folder."""
    place = split_archive(path)
    if place is None:
        return Path(path).is_dir()
    archive, name = place
    return not name or any(member.startswith(f"{name}/") for member in _names(archive))


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether there is a file or a folder, on disk or in an archive."""
    if os.path.exists(path):
        return True
    place = split_archive(path)
    return place is not None and (place[1] in _names(place[0]) or is_folder(path))


def files_below(folder: str | os.PathLike[str]) -> list[Path]:
    """All files of a folder in an archive, hidden ones left out.

    Raises:
        OSError: The archive cannot be read.
    """
    place = split_archive(folder)
    assert place is not None, "the folder is in an archive"
    archive, name = place
    inside = f"{name}/" if name else ""
    return [archive / member for member in _names(archive) if member.startswith(inside)]


def read_member(archive: Path, name: str) -> bytes:
    """Read a file of an archive.

    Raises:
        FileNotFoundError: The archive has no such file.
        OSError: It cannot be read: it is damaged, encrypted, or too large.
    """
    with _errors_as_os_errors(archive):
        opened = _opened(archive)
        info = opened.members.get(name)
        if info is None:
            raise FileNotFoundError(f"'{archive}' has no file '{name}'")
        if info.file_size > MAX_BYTES:
            raise OSError(f"it unpacks to {info.file_size:,} bytes, more than {MAX_BYTES:,}")
        return opened.file.read(info)


def _names(archive: Path) -> list[str]:
    """Names of files; what macOS adds for itself, and other hidden files, are left out."""
    with _errors_as_os_errors(archive):
        return [name for name in _opened(archive).members if not is_hidden(name)]


def is_hidden(name: str) -> bool:
    """Whether a path has a hidden part, or one that macOS adds to archives for itself."""
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


class _Archive(NamedTuple):
    """An open archive.

    Attributes:
        file: What reads it.
        members: Its files by their names as :func:`_plain` writes them.
    """

    file: zipfile.ZipFile
    members: dict[str, zipfile.ZipInfo]


def _opened(archive: Path) -> _Archive:
    """The archive, opened once for many files; threads may share it, processes may not."""
    status = archive.stat()
    return _cached(archive, status.st_mtime_ns, status.st_size, os.getpid())


@functools.lru_cache(maxsize=4)
def _cached(archive: Path, _modified: int, _size: int, _process: int) -> _Archive:
    file = zipfile.ZipFile(archive)
    names = {_divided(info): info for info in file.infolist()}
    members = {_plain(name): info for name, info in names.items() if not name.endswith("/")}
    return _Archive(file, members)


def _divided(info: zipfile.ZipInfo) -> str:
    """A member's name, its folders divided as the format wants it."""
    # Windows PowerShell's Compress-Archive divides them by backslashes.
    of_windows = info.create_system == 0
    return info.filename.replace("\\", "/") if of_windows else info.filename


def _plain(name: str) -> str:
    """A member's name as a path below the archive: of ``./x.png`` and ``/x.png`` it is ``x.png``.

    A path that begins at the root would be that of a file on this machine.

    Raises:
        zipfile.BadZipFile: The name leads out of the archive.
    """
    parts = [part for part in os.path.splitdrive(name)[1].split("/") if part not in ("", ".")]
    if ".." in parts:
        raise zipfile.BadZipFile(
            f"the name of its file '{name}' has '..' in it, which leads out of a folder; pack the "
            "files again, without '..'"
        )
    return "/".join(parts)


@contextmanager
def _errors_as_os_errors(archive: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise OSError(f"the archive '{archive}' cannot be read: {error}") from error
