"""Photographs at the size that a network sees, with Pillow alone."""

import numpy as np
from PIL import Image

# Of what is decoded at a fraction of its size, and of what is averaged by whole numbers: how many
# times the size asked for the result has at least. The more, the nearer to resizing in one step.
_DECODING_GAP = 4
_AVERAGING_GAP = 8


def enough_for(size: tuple[int, int]) -> tuple[int, int]:
    """Return the (height, width) from which a photograph can be resized to ``size``.

    The filter of :func:`resize_image` reaches over two pixels of the result, which are eight of
    such an image; finer detail makes hardly a difference.

    Example:
        >>> enough_for((128, 96))
        (512, 384)
    """
    return _DECODING_GAP * size[0], _DECODING_GAP * size[1]


def resize_image(
    image: Image.Image,
    size: tuple[int, int],
    box: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
    """Resize an RGB image bilinearly with antialiasing, as networks are trained on.

    The result is that of :func:`~skinseg.data.transforms.resize_images` but for the rounding of
    single pixels. An image of more than sixteen times the size is first averaged over rectangles
    of whole pixels; its result differs by a few levels of 255 at sharp edges.

    Args:
        image: Of mode RGB.
        size: (height, width) to resize to.
        box: (left, top, right, bottom) of what is resized; the whole image if None.

    Returns:
        uint8 (height, width, 3).

    Example:
        >>> resize_image(Image.new("RGB", (400, 300), "white"), (32, 48)).shape
        (32, 48, 3)
    """
    height, width = size
    left, top, right, bottom = box or (0, 0, *image.size)
    if (image.height, image.width) == size and box in (None, (0, 0, width, height)):
        return np.array(image)
    across = max(1, int((right - left) / (_AVERAGING_GAP * width)))
    down = max(1, int((bottom - top) / (_AVERAGING_GAP * height)))
    if across > 1 or down > 1:
        image = image.reduce((across, down))
    covered = (left / across, top / down, right / across, bottom / down)
    # Pillow rounds 8-bit pixels between its two passes, floating-point ones not.
    channels = [
        channel.convert("F").resize((width, height), Image.Resampling.BILINEAR, covered)
        for channel in image.split()
    ]
    pixels = np.stack([np.asarray(channel) for channel in channels], axis=2)
    return pixels.round().clip(0, 255).astype(np.uint8)
