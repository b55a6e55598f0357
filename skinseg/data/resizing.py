"""Photographs at the size that a network sees, with Pillow alone."""

import numpy as np
from PIL import Image

# Of what is decoded at a fraction of its size, and of what is averaged by whole numbers: how many
# times the size asked for the result has at least. The more, the nearer to resizing in one step.
_DECODING_GAP = 2
_AVERAGING_GAP = 4.0


def enough_for(size: tuple[int, int]) -> tuple[int, int]:
    """Return the (height, width) from which a photograph can be resized to ``size``.

    The filter of :func:`resize_image` reaches over two pixels of the result, so that finer detail
    of the photograph makes hardly a difference.

    Example:
        >>> enough_for((128, 96))
        (256, 192)
    """
    return _DECODING_GAP * size[0], _DECODING_GAP * size[1]


def resize_image(
    image: Image.Image,
    size: tuple[int, int],
    box: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
    """Resize an RGB image bilinearly with antialiasing, as networks are trained on.

    A much larger image is first averaged over squares of whole pixels, which leaves it at four
    times the size or more. The result is that of :func:`~skinseg.data.transforms.resize_images`,
    but for a level or two of 255.

    Args:
        image: Of mode RGB.
        size: (height, width) to resize to.
        box: (left, top, right, bottom) of what is resized; the whole image if None.

    Returns:
        uint8 (height, width, 3), read-only.

    Example:
        >>> resize_image(Image.new("RGB", (400, 300), "white"), (32, 48)).shape
        (32, 48, 3)
    """
    height, width = size
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box, _AVERAGING_GAP))
