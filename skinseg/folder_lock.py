"""One process at a time writes into a folder."""

import errno
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# What file systems of clusters say that were mounted without locks.
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


@contextmanager
def folder_lock(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Hold a folder, so that no other process does; the system lets go of it at our end.

    Within one process several holders may be nested. Where the file system has no locks, a
    ``UserWarning`` says so, and nothing is held.

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
    # Where networks only run, it is not installed.
    from filelock import FileLock, Timeout

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
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _WITHOUT_LOCKS:
            raise
        warnings.warn(
            f"the file system of {folder} has no locks; see to it that no other process writes "
            "there",
            stacklevel=3,
        )
    try:
        yield
    finally:
        if held.lock_counter == 1:
            # While it is held: afterward it might be the next one's.
            with suppress(OSError):
                Path(held.lock_file).unlink()
        held.release()
