"""Writing files so that a killed process leaves either the old one or the new one, whole."""

import contextlib
import json
import os
import re
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from skinseg.locations import is_url, write_url

# Seconds; longer than any file takes to be written.
ABANDONED_AFTER = 3600
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp")


def write_atomically(path: str | os.PathLike[str], write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then rename it to ``path``.

    Args:
        path: File to make or replace, whose folder must exist; or a URL that fsspec knows.
        write: Called with the temporary file's path.

    Raises:
        OSError: As the file system says, of ``path``; the temporary file is removed.
    """
    if is_url(path):
        _write_url(path, write)
        return
    path = Path(path)
    # A name of its own rather than `tempfile`, whose files only their owner may read.
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is None:
            raise
        # A full disk names no file, and other errors one that is gone by then.
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    finally:
        # After success the name is gone already; a parent that is no folder has nothing in it.
        with contextlib.suppress(OSError):
            temporary.unlink()


def remove_abandoned(folder: str | os.PathLike[str], after: float = ABANDONED_AFTER) -> None:
    """Remove temporary files that killed processes have left in a folder.

    Args:
        folder: It need not exist; of a URL nothing is removed, as nothing temporary is there.
        after: Seconds without a change after which a file is taken for abandoned: until then
            another process may be filling it.
    """
    if is_url(folder):
        return
    for file in Path(folder).glob(".*.tmp"):
        if _TEMPORARY.fullmatch(file.name):
            # It may be gone by now, or another user's.
            with contextlib.suppress(OSError):
                if time.time() - file.stat().st_mtime >= after:
                    file.unlink()


def _write_url(url: str, write: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "file")
        write(file)
        write_url(url, file.read_bytes())


def write_text(path: str | os.PathLike[str], text: str, errors: str = "strict") -> None:
    """Write text atomically as UTF-8, with the same bytes on every system.

    Args:
        path: File to make or replace, or a URL that fsspec knows.
        text: What to write.
        errors: What becomes of characters that UTF-8 lacks, as names of files may hold them: as
            in ``str.encode``.

    Raises:
        OSError: If the file cannot be written.
        UnicodeEncodeError: If there is such a character, and ``errors`` is ``"strict"``.
    """
    content = text.encode("utf-8", errors)
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def write_json(path: str | os.PathLike[str], data: Any) -> None:
    """Write JSON atomically, indented, with a newline at its end."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
