"""Whether a probability of 0.8 is right four times in five."""

import numpy as np

CALIBRATION_BINS = 15
"""Number of bins of equal width, 0..1, that calibration is measured in."""


def reliability_bins(
    probability: np.ndarray, truth: np.ndarray, bins: int = CALIBRATION_BINS
) -> np.ndarray:
    """Sort pixels by the lesion probability that they were given.

    Args:
        probability: Floating point (...), 0..1.
        truth: bool (...), True is lesion.
        bins: Number of bins of equal width; a bin holds its lower bound and not its upper one,
            except the last.

    Returns:
        float64 (bins, 3): for each bin the number of pixels, the sum of their probabilities, and
        the number of them that are lesion. Those of several images may be added.

    Raises:
        ValueError: If the shapes differ, or probabilities are outside 0..1.
        TypeError: If ``truth`` is not bool.

    Example:
        >>> probability = np.array([0.1, 0.2, 0.9, 0.9])
        >>> reliability_bins(probability, np.array([False, True, True, True]), bins=2).round(1)
        array([[2. , 0.3, 1. ],
               [2. , 1.8, 2. ]])
    """
    probability = _checked(probability, truth)
    index = np.minimum((probability * bins).astype(np.int64), bins - 1)
    sums = [np.bincount(index, weights, bins) for weights in (None, probability, truth.ravel())]
    return np.stack(sums, axis=1).astype(np.float64)


def expected_calibration_error(bins: np.ndarray) -> np.ndarray:
    """Return the mean gap between the probabilities of a bin and its fraction of lesion.

    Bins count by their pixels. Dermoscopy is mostly skin of which networks are sure, so figures of
    whole images are small: compare networks on the same images.

    Args:
        bins: (..., bins, 3) of :func:`reliability_bins`.

    Returns:
        float64 (...), 0 (calibrated) to 1.

    Example:
        >>> bins = reliability_bins(np.array([0.25, 0.75]), np.array([False, True]))
        >>> float(expected_calibration_error(bins))
        0.25
    """
    pixels, probability, lesion = np.moveaxis(np.asarray(bins, np.float64), -1, 0)
    error: np.ndarray = np.abs(probability - lesion).sum(-1) / np.maximum(pixels.sum(-1), 1)
    return error


def brier_score(probability: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean squared difference of the lesion probability from the truth (0 or 1).

    Args:
        probability: Floating point (...), 0..1.
        truth: bool (...), True is lesion.

    Returns:
        0 (certain and right) to 1 (certain and wrong).

    Raises:
        ValueError: If the shapes differ, or probabilities are outside 0..1.
        TypeError: If ``truth`` is not bool.

    Example:
        >>> round(brier_score(np.array([0.8, 0.1]), np.array([True, False])), 3)
        0.025
    """
    difference = _checked(probability, truth) - truth.ravel()
    return float(difference @ difference / len(difference))


def _checked(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Probabilities as float64 (N,)."""
    if probability.shape != truth.shape or probability.size == 0:
        raise ValueError(f"probabilities are {probability.shape}, the true mask {truth.shape}")
    if truth.dtype != np.bool_:
        raise TypeError(f"the true mask must be bool, not {truth.dtype}; threshold it")
    low, high = float(probability.min()), float(probability.max())
    if not (low >= 0 and high <= 1):  # NaN fails this too.
        raise ValueError(f"probabilities must be in 0..1, not {low:g} to {high:g}")
    return probability.ravel().astype(np.float64)
