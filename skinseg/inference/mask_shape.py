"""Where a mask is and how many parts it has."""

import numpy as np


def bounding_box(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """Return the smallest upright box around a bool mask (H, W), or None if it is empty.

    Returns:
        (x, y, width, height) in pixels; x counts from the left edge, y from the top.

    Example:
        >>> bounding_box(np.eye(3, 5, 1, bool))
        (1, 0, 3, 3)
    """
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if not len(rows):
        return None
    (top, bottom), (left, right) = rows[[0, -1]].tolist(), columns[[0, -1]].tolist()
    return left, top, right - left + 1, bottom - top + 1


def count_components(mask: np.ndarray) -> int:
    """Return the number of connected parts of a bool mask (H, W).

    Pixels are connected where they touch at an edge or a corner.

    Example:
        >>> count_components(np.eye(3, dtype=bool))
        1
    """
    from scipy import ndimage  # Slow to import, and most predictions do without.

    return int(ndimage.label(mask, structure=np.ones((3, 3), bool))[1])
