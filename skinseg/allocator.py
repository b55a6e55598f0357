"""Memory that one pass through a network frees and the next one takes again."""

import ctypes
import platform

# Parameters of mallopt(3). Free memory at the end of the heap goes back to the system above so many
# bytes, here their largest number; and so many pieces are fetched from it one by one, here none.
_TRIM_THRESHOLD, _MOST_FREE = -1, 2**31 - 1
_MMAP_MAX, _NONE = -4, 0


def keep_freed_memory() -> bool:
    """Have the C library hold on to the memory that tensors on the CPU leave.

    By default it gives feature maps back to the system and fetches them again, page after page,
    which is a large part of LMSAUNet's training step. The setting holds for the rest of the
    process.

    Returns:
        Whether this C library can be told so; glibc can.

    Example:
        >>> keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
        True
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    trims = library.mallopt(_TRIM_THRESHOLD, _MOST_FREE)
    return bool(trims and library.mallopt(_MMAP_MAX, _NONE))
