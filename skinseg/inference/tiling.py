"""An image that is larger than a network should see at once, window by window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, product

import numpy as np

# Of a window's side: how much two neighbors share, and the standard deviation of the weights.
# These are the defaults of MONAI's sliding_window_inference in its mode "gaussian".
_OVERLAP, _SIGMA = 0.25, 0.125
_LEAST_WEIGHT = 1e-3


def tiled_size(size: tuple[int, int], tile: int, window: tuple[int, int]) -> tuple[int, int]:
    """Return the size of an image in which a square of ``tile`` pixels is as large as a window.

    Args:
        size: (H, W) of the image.
        tile: Side of the square in pixels of the image.
        window: (h, w) that the network sees.

    Returns:
        (height, width); no less than one window.

    Example:
        >>> tiled_size((3000, 4000), 1000, (256, 256)), tiled_size((500, 700), 1000, (256, 256))
        ((768, 1024), (256, 256))
    """
    height, width = (
        max(side, round(whole * side / tile)) for whole, side in zip(size, window, strict=True)
    )
    return height, width


def tiled_logits(
    pixels: np.ndarray,
    window: tuple[int, int],
    batch_size: int,
    logits_of: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Run a network on overlapping windows, and blend what it says.

    Args:
        pixels: The whole image, normalized, float32 (C, H, W), no smaller than a window.
        window: (h, w) that the network sees.
        batch_size: Windows at once.
        logits_of: The network: from windows (B, C, h, w) to logits (B, passes, h, w).

    Returns:
        float32 (passes, H, W): the mean of the windows' logits, weighted by a Gaussian around the
        middle of each.
    """
    height, width = window
    weight = window_weights(window)
    places = windows(pixels.shape[1:], window)
    total: np.ndarray | None = None
    weights = np.zeros(pixels.shape[1:], np.float32)
    while some := list(islice(places, batch_size)):
        batch = np.stack([pixels[:, y : y + height, x : x + width] for y, x in some])
        for (y, x), logits in zip(some, logits_of(batch), strict=True):
            if total is None:
                total = np.zeros((len(logits), *pixels.shape[1:]), np.float32)
            total[:, y : y + height, x : x + width] += logits * weight
            weights[y : y + height, x : x + width] += weight
    assert total is not None, "there is a window at least"
    blended: np.ndarray = total / weights
    return blended


def windows(size: tuple[int, ...], window: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the upper left corner (y, x) of each window; the last ones end with the image.

    Example:
        >>> list(windows((64, 100), (64, 64)))
        [(0, 0), (0, 36)]
    """
    starts = []
    for length, side in zip(size, window, strict=True):
        step = max(1, int(side * (1 - _OVERLAP)))
        last = length - side
        starts.append([*range(0, last, step), last])
    return product(*starts)


def window_weights(window: tuple[int, int]) -> np.ndarray:
    """Return how much each pixel of a window counts, float32 (h, w), 1 in the middle."""
    sides = []
    for side in window:
        distance = np.arange(side) - (side - 1) / 2
        sides.append(np.exp(-(distance**2) / (2 * (_SIGMA * side) ** 2)))
    weights: np.ndarray = np.outer(*sides).clip(_LEAST_WEIGHT).astype(np.float32)
    return weights
