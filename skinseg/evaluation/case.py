"""The scores of one image at one size."""

import dataclasses
from typing import Any

import numpy as np

from skinseg.metrics import (
    boundary_distances,
    brier_score,
    count_pixels,
    expected_calibration_error,
    overlap_scores,
    reliability_bins,
    thresholded_jaccard,
)

TOLERANCE_OF_DIAGONAL = 0.01
"""Fraction of an image's diagonal that an outline may be off by, where no tolerance is given."""

LESION_SIZES = {"none": 0.0, "small": 0.05, "medium": 0.2, "large": 1.0}
"""Groups of images by the fraction of lesion in their true masks: its upper bound.

A lesion on the bound belongs to the larger group; ``none`` are images without lesion.
"""


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """One image's scores.

    Attributes:
        id: Name of the image.
        height, width: Size that it was scored at, in pixels.
        lesion_fraction: Fraction of the true mask that is lesion, at the image's own size.
        predicted_fraction: Fraction of the predicted mask that is lesion, at the size scored.
        tolerance: Tolerance of the surface Dice in pixels.
        scores: By name; see :data:`skinseg.evaluation.DEFINITIONS`.
        counts: int64 (4,), see :func:`skinseg.metrics.count_pixels`.
        bins: float64 (bins, 3), see :func:`skinseg.metrics.reliability_bins`.
    """

    id: str
    height: int
    width: int
    lesion_fraction: float
    predicted_fraction: float
    tolerance: float
    scores: dict[str, float]
    counts: np.ndarray
    bins: np.ndarray

    @property
    def lesion_size(self) -> str:
        """``none``, ``small``, ``medium`` or ``large``; see :data:`LESION_SIZES`."""
        if not self.lesion_fraction:
            return "none"
        return next(
            name
            for name, bound in LESION_SIZES.items()
            if self.lesion_fraction < bound or bound == 1
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what describes the image, its counts and its scores as JSON data."""
        names = ("true_positives", "false_positives", "false_negatives", "true_negatives")
        return {
            "id": self.id,
            "width": self.width,
            "height": self.height,
            "lesion_fraction": self.lesion_fraction,
            "predicted_fraction": self.predicted_fraction,
            "lesion_size": self.lesion_size,
            "surface_tolerance": self.tolerance,
            **dict(zip(names, self.counts.tolist(), strict=True)),
            **self.scores,
        }


def score_case(
    id: str,
    probability: np.ndarray,
    predicted: np.ndarray,
    truth: np.ndarray,
    *,
    lesion_fraction: float | None = None,
    tolerance: float | None = None,
) -> Case:
    """Score one image.

    Args:
        id: Name of the image.
        probability: Floating point (H, W), 0..1, of lesion.
        predicted: bool (H, W), True is lesion.
        truth: bool (H, W).
        lesion_fraction: Fraction of lesion that groups the image; that of ``truth`` if None.
        tolerance: Tolerance of the surface Dice, in pixels; 1 % of the image's diagonal if None.

    Raises:
        ValueError: If shapes differ, probabilities are outside 0..1, or the tolerance is negative.
        TypeError: If a mask is not bool.

    Example:
        >>> truth = np.zeros((100, 100), bool)
        >>> truth[20:60, 20:60] = True
        >>> case = score_case("x", np.where(truth, 0.9, 0.1), truth, truth)
        >>> case.lesion_size, case.scores["dice"], case.scores["hd95"]
        ('medium', 1.0, 0.0)
    """
    counts = count_pixels(predicted, truth)
    distances = boundary_distances(predicted, truth)
    if tolerance is None:
        tolerance = TOLERANCE_OF_DIAGONAL * distances.diagonal
    bins = reliability_bins(probability, truth)
    overlap = overlap_scores(counts)
    scores: dict[str, float | np.ndarray] = {
        **overlap,
        "thresholded_jaccard": thresholded_jaccard(overlap["iou"]),
        "hd95": distances.hd95,
        "surface_dice": distances.surface_dice(tolerance),
        "ece": expected_calibration_error(bins),
        "brier": brier_score(probability, truth),
    }
    return Case(
        id=id,
        height=truth.shape[0],
        width=truth.shape[1],
        lesion_fraction=float(truth.mean()) if lesion_fraction is None else lesion_fraction,
        predicted_fraction=float(predicted.mean()),
        tolerance=float(tolerance),
        scores={name: float(value) for name, value in scores.items()},
        counts=counts,
        bins=bins,
    )
