"""How far the outlines of two masks are apart."""

import dataclasses
import math

import numpy as np

from skinseg.metrics.overlap import check_masks


@dataclasses.dataclass(frozen=True, eq=False)
class BoundaryDistances:
    """Distances between the outlines of a predicted and a true mask, in pixels.

    An outline is the mask's pixels with skin, or the image's edge, above, below, left or right of
    them. Distances are Euclidean, from pixel center to pixel center.

    Attributes:
        from_predicted: float64 (P,), of each predicted outline pixel to the nearest true one.
        from_true: float64 (T,), of each true outline pixel to the nearest predicted one.
        diagonal: Length of the image's diagonal in pixels.

    Where one mask is empty there is no distance; then both arrays hold infinities, one for each
    outline pixel of the other mask and none for its own.
    """

    from_predicted: np.ndarray
    from_true: np.ndarray
    diagonal: float

    @property
    def hd95(self) -> float:
        """Hausdorff distance with the 95th percentile in place of the maximum, in pixels.

        The larger of the two directed 95th percentiles (interpolated linearly), as MONAI has it.
        0 where both masks are empty; the image's diagonal, which no distance exceeds, where one
        is.
        """
        if not len(self.from_predicted) and not len(self.from_true):
            return 0.0
        if not len(self.from_predicted) or not len(self.from_true):
            return self.diagonal
        return float(max(np.percentile(d, 95) for d in (self.from_predicted, self.from_true)))

    def surface_dice(self, tolerance: float) -> float:
        """Normalized surface Dice: fraction of both outlines within ``tolerance`` of the other.

        1 where both masks are empty, 0 where one is.

        Args:
            tolerance: Pixels that an outline may be off, 0 or more.

        Raises:
            ValueError: If the tolerance is negative.
        """
        if not tolerance >= 0:
            raise ValueError(f"tolerance must be 0 or more pixels, not {tolerance}")
        distances = np.concatenate([self.from_predicted, self.from_true])
        return float((distances <= tolerance).mean()) if len(distances) else 1.0


def boundary_distances(predicted: np.ndarray, truth: np.ndarray) -> BoundaryDistances:
    """Measure how far two outlines are apart.

    Args:
        predicted: bool (H, W), True is lesion.
        truth: As ``predicted``.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If one of them is not bool.

    Example:
        >>> truth = np.zeros((64, 64), bool)
        >>> truth[16:48, 16:48] = True
        >>> distances = boundary_distances(np.roll(truth, 2, axis=1), truth)
        >>> distances.hd95, round(distances.surface_dice(1), 2)
        (2.0, 0.52)
    """
    from scipy.spatial import cKDTree  # Slow to import, and most users do without.

    check_masks(predicted, truth)
    ours, theirs = _outline(predicted), _outline(truth)
    diagonal = math.hypot(*truth.shape)
    if not len(ours) or not len(theirs):
        from_ours, from_theirs = (np.full(len(points), np.inf) for points in (ours, theirs))
        return BoundaryDistances(from_ours, from_theirs, diagonal)
    # Outlines are few of an image's pixels: searching among them gives the very distances of a
    # distance transform, many times sooner on images of many megapixels.
    return BoundaryDistances(
        cKDTree(theirs).query(ours)[0], cKDTree(ours).query(theirs)[0], diagonal
    )


def _outline(mask: np.ndarray) -> np.ndarray:
    """Rows and columns (N, 2) of the outline's pixels."""
    padded = np.pad(mask, 1)
    above, below = padded[:-2, 1:-1], padded[2:, 1:-1]
    left, right = padded[1:-1, :-2], padded[1:-1, 2:]
    return np.argwhere(mask & ~(above & below & left & right))
