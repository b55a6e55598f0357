"""Photographs at the size that a network sees, with Pillow alone."""

import numpy as np
from PIL import Image

_GAP = 2


def enough_for(size: tuple[int, int]) -> tuple[int, int]:
    """Return the (height, width) from which an image can be resized to ``size``.

    The antialiased filter of :func:`resize_image` reaches over two pixels of the result; an image
    of twice the size or more gives the same result as a larger one, but for a level or two.
    """
    return _GAP * size[0], _GAP * size[1]


def resize_image(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Resize an RGB image bilinearly with antialiasing, as networks are trained on.

    An image of four times the size or more is first reduced by whole numbers, averaging, to no
    less than twice the size. The result is that of
    :func:`~skinseg.data.transforms.resize_images` but for a level or two of 255.

    Args:
        image: Of mode RGB.
        size: (height, width) to resize to.

    Returns:
        uint8 (height, width, 3).

    Example:
        >>> resize_image(Image.new("RGB", (400, 300), "white"), (32, 48)).shape
        (32, 48, 3)
    """
    height, width = size
    return np.asarray(
        image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=float(_GAP))
    )
