"""The outline of a mask, drawn so that it is seen on any skin."""

import numpy as np
from PIL import Image

from skinseg.data.levels import is_lesion

# No skin or lesion is cyan, and dark edges keep it apart from the brightest highlight.
_LINE = np.array((0, 255, 255), np.float32)
_EDGE = np.array((0, 0, 0), np.float32)
_EDGE_OPACITY = 0.6

# Shorter side, in pixels, that is enough to find where the line of a larger image runs.
_WORKING_SIDE = 500


def draw_outline(rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return a copy of ``rgb``, uint8 (H, W, 3), with the outline of ``mask``, bool (H, W).

    Example:
        >>> mask = np.zeros((64, 64), bool)
        >>> mask[16:48, 16:48] = True
        >>> drawn = draw_outline(np.zeros((64, 64, 3), np.uint8), mask)
        >>> drawn[32, 32].tolist(), drawn[32, 16].tolist()
        ([0, 0, 0], [0, 255, 255])
    """
    drawn = rgb.copy()
    width = max(2.0, min(mask.shape) / 200)
    distance = np.abs(_signed_distance(mask))
    near = distance < width + 0.5
    distance = distance[near][:, None]
    # Distances are to pixel centers: half a pixel of fading is what makes the line smooth.
    line = np.clip(width / 2 + 0.5 - distance, 0, 1)
    edge = np.clip(width + 0.5 - distance, 0, 1) * _EDGE_OPACITY
    pixels = drawn[near] * (1 - edge) + _EDGE * edge
    pixels = pixels * (1 - line) + _LINE * line
    drawn[near] = pixels.round().astype(np.uint8)
    return drawn


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    """Distance of each pixel from the lesion's border in pixels, negative on skin.

    Parts that are too small to be seen beside the line's width have none.
    """
    height, width = mask.shape
    factor = max(1, min(height, width) // _WORKING_SIDE)
    small = is_lesion(np.asarray(Image.fromarray(mask).convert("L").reduce(factor)))
    if not small.any():
        return np.full(mask.shape, -np.inf, np.float32)
    distance = Image.fromarray(_signed_distance_at_full_size(small) * np.float32(factor))
    covered = (0, 0, width / factor, height / factor)
    return np.asarray(distance.resize((width, height), Image.Resampling.BILINEAR, covered))


def _signed_distance_at_full_size(mask: np.ndarray) -> np.ndarray:
    from scipy import ndimage  # Slow to import, and most predictions do without.

    # Skin all around closes the outline of a lesion that the frame cuts.
    padded = np.pad(mask, 1)
    inside = ndimage.distance_transform_edt(padded) - 0.5
    outside = ndimage.distance_transform_edt(~padded) - 0.5
    distance: np.ndarray = np.where(padded, inside, -outside)
    return distance[1:-1, 1:-1].astype(np.float32)
