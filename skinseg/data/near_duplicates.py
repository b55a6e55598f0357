"""Which images of a data set show one picture, saved, scaled, flipped or turned again."""

import numpy as np
from PIL import Image

_SIDE, _COARSE = 16, 4

# Gray levels, root mean square over a fingerprint. Of 2,150 images of ISIC 2017 the pairs that show
# one picture differ by 2.4 at most, all others by 5.5 or more; a JPEG of quality 30 moves an image
# by 1.7, halving its size by 1.6.
_ALIKE = 3.5
_ROWS = 1024


def fingerprint(image: np.ndarray) -> np.ndarray:
    """Return what is left of an image at 16 x 16 pixels.

    Args:
        image: uint8 (H, W, 3).

    Returns:
        float32 (16, 16, 3), 0..255; within a few levels the same for a picture at any size and
        compression.
    """
    small = Image.fromarray(image).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def near_duplicate_groups(fingerprints: np.ndarray) -> np.ndarray:
    """Number the groups of images that show one picture, also if flipped or turned by 90 degrees.

    Args:
        fingerprints: float32 (N, 16, 16, 3), of :func:`fingerprint`.

    Returns:
        int (N,): images with the same number belong together; most numbers occur once.

    Example:
        >>> noise = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
        >>> images = [noise[0], noise[1], noise[0][:, ::-1]]
        >>> near_duplicate_groups(np.stack([fingerprint(image) for image in images])).tolist()
        [0, 1, 0]
    """
    from scipy.sparse import coo_array  # Slow to import.
    from scipy.sparse.csgraph import connected_components

    pairs = [
        pair for turned in _orientations(fingerprints) for pair in _pairs(fingerprints, turned)
    ]
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    links = coo_array((np.ones(len(first), bool), (first, second)), shape=(len(fingerprints),) * 2)
    groups: np.ndarray = connected_components(links, directed=False)[1]
    return groups


def _orientations(fingerprints: np.ndarray) -> list[np.ndarray]:
    turned = [np.rot90(fingerprints, quarter, axes=(1, 2)) for quarter in range(4)]
    return turned + [picture[:, :, ::-1] for picture in turned]


def _pairs(one: np.ndarray, other: np.ndarray) -> list[tuple[int, int]]:
    """Indices (i, j), i < j, where ``one[i]`` and ``other[j]`` are alike."""
    found = []
    # Averages never differ by more than what they are of: most pairs end at 4 x 4 pixels.
    coarse, other_coarse = _averaged(one), _averaged(other)
    for start in range(0, len(one), _ROWS):
        near = _distances(coarse[start : start + _ROWS], other_coarse) < _ALIKE**2
        rows, columns = np.nonzero(np.triu(near, start + 1))
        for i, j in zip(rows + start, columns, strict=True):
            if np.square(one[i] - other[j]).mean() < _ALIKE**2:
                found.append((int(i), int(j)))
    return found


def _averaged(fingerprints: np.ndarray) -> np.ndarray:
    step = _SIDE // _COARSE
    blocks = fingerprints.reshape(-1, _COARSE, step, _COARSE, step, 3)
    averages: np.ndarray = blocks.mean((2, 4))
    return averages.reshape(len(fingerprints), -1)


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mean squared differences (N, M) of rows (N, D) and (M, D)."""
    squares = np.square(one).sum(1)[:, None] + np.square(other).sum(1)
    distances: np.ndarray = (squares - 2 * one @ other.T) / one.shape[1]
    return distances
