"""Where files are: a path, or a URL of a file system that fsspec knows, as ``s3://bucket/x.jpg``.

Nothing here goes online unless it is given such a URL. Credentials are those that the file system's
own package finds.
"""

import contextlib
import errno
import glob
import os
import posixpath
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

from skinseg.errors import MissingPackageError

Location: TypeAlias = str | Path
"""A path, or a URL as text: a ``Path`` would lose one of its slashes."""

# Protocols may be chained, as in zip://x.jpg::s3://bucket/archive.zip. One letter is a drive.
_URL = re.compile(r"[A-Za-z][\w+.-]+(::[\w+.-]+)*://")


def is_url(location: object) -> TypeGuard[str]:
    """Whether a location is a URL and not a path.

    Example:
        >>> is_url("s3://bucket/x.jpg"), is_url("zip://x.jpg::photos.zip"), is_url("C://x.jpg")
        (True, True, False)
    """
    return isinstance(location, str) and _URL.match(location) is not None


def as_location(text: str | os.PathLike[str]) -> Location:
    """Return a URL as it is, and anything else as a path."""
    return text if is_url(text) else Path(text)


def joined(folder: Location, name: str) -> Location:
    """Return the location of a file in a folder.

    Example:
        >>> joined("s3://bucket/masks/", "x.png"), joined("memory://", "x.png")
        ('s3://bucket/masks/x.png', 'memory://x.png')
    """
    if not is_url(folder):
        return Path(folder, name)
    return folder + name if folder.endswith("/") else f"{folder}/{name}"


def path_of(location: Location) -> Path:
    """Return what may be asked for its name, its stem and its suffix.

    Example:
        >>> path_of("zip://a/x.jpg::s3://bucket/archive.zip").name
        'x.jpg'
    """
    return Path(location.partition("::")[0].partition("://")[2] if is_url(location) else location)


def file_key(location: Location) -> str:
    """Return one text for a file, from whichever folder its path is written.

    Example:
        >>> file_key("s3://bucket/x.jpg"), file_key("a/../x.jpg") == file_key(Path("x.jpg"))
        ('s3://bucket/x.jpg', True)
    """
    return location if is_url(location) else os.path.abspath(location)


def name_key(name: str, folder: Location) -> str:
    """Return what two names of files in a folder have in common where they are one file's.

    Example:
        >>> name_key("Lesion.json", "s3://bucket/masks")
        'Lesion.json'
    """
    # Disks of Windows, and those of a Mac unless set up otherwise, take capitals and small letters
    # for the same. What other disks do is not looked at.
    if sys.platform in ("win32", "darwin") and not is_url(folder):
        return name.casefold()
    return name


def folder_of(location: Location) -> Location:
    """Return the folder that a file is in.

    Example:
        >>> folder_of("s3://bucket/a/x.jpg"), folder_of("memory://x.jpg")
        ('s3://bucket/a', 'memory://')
    """
    if not is_url(location):
        return Path(location).parent
    head, separator, archive = location.partition("::")
    protocol, _, path = head.partition("://")
    return f"{protocol}://{posixpath.dirname(path)}{separator}{archive}"


def read_url(url: str) -> bytes:
    """Read a file.

    Raises:
        OSError: It is not there, or cannot be read.
        ModuleNotFoundError: The package of its file system is not installed.
    """
    with _opened(url) as (system, path):
        content: bytes = system.cat_file(path)
    return content


def write_url(url: str, content: bytes) -> None:
    """Write a file whole: object stores show an object when all of it is there.

    Raises:
        OSError: It cannot be written.
        ModuleNotFoundError: The package of its file system is not installed.
    """
    with _opened(url) as (system, path):
        system.pipe_file(path, content)


def make_folder(url: str) -> None:
    """Make a folder, where the file system has folders.

    Raises:
        OSError: It cannot be made.
        ModuleNotFoundError: The package of its file system is not installed.
    """
    with _opened(url) as (system, path):
        system.makedirs(path, exist_ok=True)


def remove_files(folder: Location, names: Iterable[str]) -> None:
    """Remove files of a folder, and a folder on disk that is empty then.

    Raises:
        OSError: One cannot be removed.
        ModuleNotFoundError: The package of its file system is not installed.
    """
    for name in names:
        place = joined(folder, name)
        with contextlib.suppress(FileNotFoundError):
            if not is_url(place):
                os.unlink(place)
            else:
                with _opened(place) as (system, path):
                    system.rm(path)
    if not is_url(folder):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def names_in(folder: Location) -> set[str]:
    """Names of the files in a folder; none if it does not exist.

    Raises:
        OSError: The folder cannot be listed.
        ModuleNotFoundError: The package of its file system is not installed.
    """
    try:
        if not is_url(folder):
            return {entry.name for entry in os.scandir(folder)}
        with _opened(folder) as (system, path):
            system.invalidate_cache(path)
            return {posixpath.basename(found) for found in system.ls(path, detail=False)}
    except FileNotFoundError:
        return set()


def files_at(url: str, *, recursive: bool) -> list[str]:
    """URLs of files: those that match a pattern, those in a folder, or the file itself.

    Args:
        url: May have ``*``, ``?``, ``[...]`` and ``**``.
        recursive: Also those in the folders below a folder.

    Returns:
        Sorted; none if nothing is there.

    Raises:
        OSError: The file system cannot be asked.
        ModuleNotFoundError: Its package is not installed.
    """
    head, separator, archive = url.partition("::")
    protocol = head.partition("://")[0]
    with _opened(url) as (system, path):
        if glob.has_magic(head):
            found = [name for name, about in system.glob(path, detail=True).items() if _file(about)]
        elif system.isfile(path):
            return [url]
        else:
            found = system.find(path, maxdepth=None if recursive else 1)
    names = (name.partition("://")[2] or name for name in found)
    return sorted(f"{_place(protocol, head, path, name)}{separator}{archive}" for name in names)


def _place(protocol: str, head: str, path: str, name: str) -> str:
    """The URL of what a file system calls ``name``, which calls the place of ``head`` ``path``."""
    shown, asked = head.rstrip("/"), path.rstrip("/")
    if shown != f"{protocol}:" and shown.endswith(asked):
        # The host, which a name lacks, stands before it, as in sftp://host/photos.
        return shown.removesuffix(asked) + name
    # On disk the slash is the root; elsewhere a name begins with a bucket, or in an archive.
    return f"{protocol}://{name if protocol in ('file', 'local') else name.lstrip('/')}"


def _file(about: dict[str, Any]) -> bool:
    return about.get("type") != "directory"


@contextlib.contextmanager
def _opened(url: str) -> Iterator[tuple[Any, str]]:
    """The file system of a URL and the path in it; its errors become OSError."""
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError as error:
        raise _missing(url, error) from error
    try:
        yield url_to_fs(url)
    except ImportError as error:
        raise _missing(url, error) from error
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url) from error
    except Exception as error:  # Each file system has errors of its own.
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise OSError(errno.EIO, reason, url) from error


def _missing(url: str, error: ImportError) -> MissingPackageError:
    return MissingPackageError(
        f"'{url}' needs a package that is not installed ({error}); install the one that fsspec "
        "names for this protocol",
        name=error.name,
    )
