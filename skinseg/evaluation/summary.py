"""Many images' scores as one figure with its interval: averaged over images, and pooled."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from skinseg.evaluation.case import LESION_SIZES, Case
from skinseg.metrics import (
    bootstrap_weights,
    expected_calibration_error,
    overlap_scores,
    percentile_interval,
)


@dataclasses.dataclass(frozen=True)
class Score:
    """A score and its 95 % bootstrap percentile interval over images; None without bootstrap."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class Summary:
    """Scores of a group of images.

    Attributes:
        images: Number of images.
        scores: ``mean_<name>``: the images' scores averaged, each image counting alike.
            ``pooled_<name>``: the score of all their pixels together, each pixel counting alike.
    """

    images: int
    scores: dict[str, Score]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return dataclasses.asdict(self)


def summarize(cases: Sequence[Case], *, bootstrap: int = 1000, seed: int = 0) -> Summary:
    """Average and pool the scores of images.

    Args:
        cases: One or more images' scores.
        bootstrap: Number of resamples of the images that intervals come from; 0 for none. Pooled
            scores are pooled again over the images of each resample.
        seed: Random seed for the resampling.

    Raises:
        ValueError: If there are no images.
    """
    if not cases:
        raise ValueError("there are no images to summarize")
    observed = _scores_of(cases, np.ones((1, len(cases)), np.int64))
    if not bootstrap:
        return Summary(len(cases), {name: Score(float(v[0])) for name, v in observed.items()})
    resampled = _scores_of(cases, bootstrap_weights(len(cases), bootstrap, seed))
    return Summary(
        len(cases),
        {
            name: Score(float(value[0]), *percentile_interval(resampled[name]))
            for name, value in observed.items()
        },
    )


def by_lesion_size(
    cases: Sequence[Case], *, bootstrap: int = 1000, seed: int = 0
) -> dict[str, Summary]:
    """Summarize the images of each group of :data:`LESION_SIZES` that has any."""
    groups = {name: [c for c in cases if c.lesion_size == name] for name in LESION_SIZES}
    return {
        name: summarize(group, bootstrap=bootstrap, seed=seed)
        for name, group in groups.items()
        if group
    }


def _scores_of(cases: Sequence[Case], weights: np.ndarray) -> dict[str, np.ndarray]:
    """Scores (R,) by name, of R resamples that hold each image ``weights`` (R, N) times."""
    names = list(cases[0].scores)
    values = np.array([[case.scores[name] for name in names] for case in cases])
    means = weights @ values / len(cases)
    counts = np.stack([case.counts for case in cases])
    pixels = counts.sum(1)
    pooled = overlap_scores(weights @ counts)
    bins = np.tensordot(weights, np.stack([case.bins for case in cases]), axes=1)
    pooled["ece"] = expected_calibration_error(bins)
    squares = pixels * values[:, names.index("brier")]
    pooled["brier"] = (weights @ squares) / (weights @ pixels)
    return {
        **{f"pooled_{name}": value for name, value in pooled.items()},
        **{f"mean_{name}": means[:, index] for index, name in enumerate(names)},
    }
