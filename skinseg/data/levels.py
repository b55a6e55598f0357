"""Levels of a mask, 0..255: which of them mean lesion."""

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import torch

Levels = TypeVar("Levels", "np.ndarray", "torch.Tensor")


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
    lesion: Levels = levels > 127
    return lesion
