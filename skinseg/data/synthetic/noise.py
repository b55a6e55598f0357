"""Random fields that textures are made of."""

import math

import numpy as np
from PIL import Image

Region = tuple[slice, slice]
"""Rows and columns of an image."""


def value_noise(
    rng: np.random.Generator, shape: tuple[int, int], cells: float, region: Region | None = None
) -> np.ndarray:
    """Smooth noise about zero, with `cells` bumps along the shorter side of the image.

    Args:
        rng: Where the values come from; their number depends on `cells` and the proportions of
            `shape` alone, so that the same field can be had at another size.
        shape: `(H, W)`.
        cells: How fine the noise is.
        region: The part of the field to give; all of it unless said otherwise.

    Returns:
        `float32` `(H, W)`, or of the region's shape; the standard deviation is a little below 1.

    Example:
        >>> value_noise(np.random.default_rng(0), (20, 30), cells=4).shape
        (20, 30)
    """
    rows, columns = region or (slice(0, shape[0]), slice(0, shape[1]))
    pixel = cells / min(shape)
    down, across = (pixel * side for side in shape)
    # Two more points than cells on each axis, so that cubic interpolation never meets an end.
    grid = rng.standard_normal((math.ceil(down) + 3, math.ceil(across) + 3), dtype=np.float32)
    field = Image.fromarray(grid).resize(
        (columns.stop - columns.start, rows.stop - rows.start),
        Image.Resampling.BICUBIC,
        box=tuple(
            1 + edge * pixel for edge in (columns.start, rows.start, columns.stop, rows.stop)
        ),
    )
    return np.asarray(field)


def fractal_noise(
    rng: np.random.Generator,
    shape: tuple[int, int],
    cells: float,
    octaves: int,
    gain: float = 0.5,
    region: Region | None = None,
) -> np.ndarray:
    """A sum of `value_noise`, each term twice as fine and `gain` times as strong as the last.

    Example:
        >>> fractal_noise(np.random.default_rng(0), (20, 30), cells=2, octaves=3).dtype.name
        'float32'
    """
    weights = [gain**octave for octave in range(octaves)]
    norm = math.sqrt(sum(weight**2 for weight in weights))
    terms = [
        np.float32(weight / norm) * value_noise(rng, shape, cells * 2**octave, region)
        for octave, weight in enumerate(weights)
    ]
    return sum(terms, start=np.zeros_like(terms[0]))


def cell_noise(
    rng: np.random.Generator,
    x: np.ndarray,
    y: np.ndarray,
    cells: float,
    extent: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cells around randomly placed points: honeycombs by their walls, dots by their hearts.

    Args:
        rng: Where the points come from.
        x: `(H, W)` coordinates from 0 to the first number of `extent`.
        y: `(H, W)` coordinates from 0 to the second.
        cells: The number of cells to a unit of the coordinates.
        extent: Width and height of the plane that points are placed in.

    Returns:
        For each pixel the distance to the nearest point, the distance to the nearest wall
        between two cells (both in cells), and a number of 0 to 1 that is the same all over a
        cell.

    Example:
        >>> x, y = np.meshgrid(np.linspace(0, 1, 8), np.linspace(0, 1, 8))
        >>> rng = np.random.default_rng(0)
        >>> heart, wall, number = cell_noise(rng, x, y, cells=4, extent=(1, 1))
        >>> bool((heart >= 0).all() and (wall >= 0).all())
        True
    """
    x, y = x * np.float32(cells), y * np.float32(cells)
    column, row = x.astype(np.intp), y.astype(np.intp)
    width, height = (int(side * cells) + 3 for side in extent)
    points = rng.random((3, height, width), dtype=np.float32)
    jitter_x, jitter_y, numbers = points.reshape(3, -1)
    nearest = np.full(x.shape, np.inf, np.float32)
    second = nearest.copy()
    number = np.zeros_like(nearest)
    base = (row + 1) * width + column + 1
    inside_x, inside_y = x - column, y - row
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            index = base + (down * width + right)
            across = jitter_x[index] + right - inside_x
            along = jitter_y[index] + down - inside_y
            distance = across * across + along * along
            closer = distance < nearest
            np.minimum(second, np.where(closer, nearest, distance), out=second)
            number[closer] = numbers[index[closer]]
            np.minimum(nearest, distance, out=nearest)
    nearest, second = np.sqrt(nearest), np.sqrt(second)
    return nearest, (second - nearest) / 2, number


def smoothstep(low: float, high: float, values: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, and a smooth rise between them.

    Example:
        >>> smoothstep(0, 1, np.array([-1.0, 0.5, 2.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    ramp = np.clip((values - low) / (high - low), 0, 1)
    return ramp * ramp * (3 - 2 * ramp)
