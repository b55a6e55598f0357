"""Levels of a mask, 0..255: which of them mean lesion."""

from typing import TypeVar

Levels = TypeVar("Levels")


def is_lesion(levels: Levels) -> Levels:
    """Tell which pixels are lesion: those nearer to white than to black.

    Args:
        levels: Array or tensor of levels, 0..255, of any shape.

    Returns:
        Array or tensor of that shape, bool.

    Example:
        >>> import numpy as np
        >>> is_lesion(np.array([0, 127, 128, 255])).tolist()
        [False, False, True, True]
    """
    return levels > 127  # type: ignore[operator, no-any-return]
