"""Scores of lesion masks and probabilities: of one image, and pooled over the pixels of all."""

from skinseg.metrics.bootstrap import bootstrap_weights, percentile_interval
from skinseg.metrics.boundary import BoundaryDistances, boundary_distances
from skinseg.metrics.calibration import (
    CALIBRATION_BINS,
    brier_score,
    expected_calibration_error,
    reliability_bins,
)
from skinseg.metrics.confusion import ConfusionCounts, SegmentationScores
from skinseg.metrics.overlap import (
    ISIC_THRESHOLD,
    count_pixels,
    overlap_scores,
    thresholded_jaccard,
)

__all__ = [
    "CALIBRATION_BINS",
    "ISIC_THRESHOLD",
    "BoundaryDistances",
    "ConfusionCounts",
    "SegmentationScores",
    "boundary_distances",
    "bootstrap_weights",
    "brier_score",
    "count_pixels",
    "expected_calibration_error",
    "overlap_scores",
    "percentile_interval",
    "reliability_bins",
    "thresholded_jaccard",
]
