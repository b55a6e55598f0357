"""One process at a time writes into a folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def folder_lock(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Hold a folder, so that no other process does; the system lets go of it at our end.

    Within one process several holders may be nested.

    Args:
        folder: Made if it does not exist.

    Raises:
        FileExistsError: If another process holds it.
        OSError: If it cannot be written to.

    Example:
        >>> import tempfile
        >>> place = tempfile.mkdtemp()
        >>> with folder_lock(place), folder_lock(place):
        ...     os.listdir(place)
        ['.lock']
        >>> os.listdir(place)
        []
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    held = FileLock(folder / ".lock", timeout=0, is_singleton=True)
    try:
        held.acquire()
    except Timeout as error:
        raise FileExistsError(
            f"another process writes into {folder} at this moment; wait for it, or choose another "
            "folder"
        ) from error
    try:
        yield
    finally:
        if held.lock_counter == 1:
            # While it is held: afterwards it might be the next one's.
            with suppress(OSError):
                Path(held.lock_file).unlink()
        held.release()
