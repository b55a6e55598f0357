"""Scores that follow from the four counts of a confusion matrix, under one name each."""

import numpy as np

ISIC_THRESHOLD = 0.65
"""Jaccard index below which the ISIC challenge takes a mask for a failure and scores it 0."""


def count_pixels(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Count the pixels of two masks.

    Args:
        predicted: bool (H, W), True is lesion.
        truth: As ``predicted``.

    Returns:
        int64 (4,): lesion found, skin taken for lesion, lesion missed, skin left out (true
        positives, false positives, false negatives, true negatives).

    Raises:
        ValueError: If the shapes differ.
        TypeError: If one of them is not bool.

    Example:
        >>> count_pixels(np.array([[True, True]]), np.array([[True, False]])).tolist()
        [1, 1, 0, 0]
    """
    check_masks(predicted, truth)
    tp = np.count_nonzero(predicted & truth)
    fp = np.count_nonzero(predicted) - tp
    fn = np.count_nonzero(truth) - tp
    return np.array([tp, fp, fn, truth.size - tp - fp - fn], np.int64)


def overlap_scores(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return all overlap scores of confusion matrices.

    Of one image's counts they are its scores, of the sum of all images' counts the pooled ones. A
    class that is in neither mask is in full agreement: where both masks are empty, ``iou``,
    ``dice`` and ``sensitivity`` are 1. Where the truth alone is empty, ``iou`` and ``dice`` are 0
    and ``sensitivity`` is 1, as there was nothing to miss.

    Args:
        counts: (..., 4) as :func:`count_pixels` orders them, or fractions of their sum.

    Returns:
        float64 (...) in 0..1 for each name:

        - ``iou``: Jaccard index of the lesion, tp / (tp + fp + fn).
        - ``dice``: 2 tp / (2 tp + fp + fn); equals F1.
        - ``accuracy``: fraction of correct pixels.
        - ``sensitivity``: fraction of the lesion's pixels that were found; equals recall.
        - ``specificity``: fraction of the skin's pixels that were left out.
        - ``class_averaged_iou``: mean of the IoU of lesion and of skin; LMSAUNet's mIoU.
        - ``frequency_weighted_iou``: the same two, weighted by their fractions of the true mask.

    Raises:
        ValueError: If the last dimension is not 4, or a count is negative.

    Example:
        >>> scores = overlap_scores(np.array([1, 1, 0, 2]))
        >>> float(scores["iou"]), float(scores["accuracy"])
        (0.5, 0.75)
    """
    counts = np.asarray(counts, np.float64)
    if counts.ndim == 0 or counts.shape[-1] != 4:
        raise ValueError(f"counts must be (..., 4), not {counts.shape}")
    if counts.size and not counts.min() >= 0:
        raise ValueError(f"counts must be 0 or more, and one is {counts.min():g}")
    tp, fp, fn, tn = np.moveaxis(counts, -1, 0)
    pixels = tp + fp + fn + tn
    lesion, skin = _ratio(tp, tp + fp + fn), _ratio(tn, tn + fp + fn)
    lesion_fraction = (tp + fn) / np.where(pixels > 0, pixels, 1)
    return {
        "iou": lesion,
        "dice": _ratio(2 * tp, 2 * tp + fp + fn),
        "accuracy": _ratio(tp + tn, pixels),
        "sensitivity": _ratio(tp, tp + fn),
        "specificity": _ratio(tn, tn + fp),
        "class_averaged_iou": (lesion + skin) / 2,
        "frequency_weighted_iou": lesion_fraction * lesion + (1 - lesion_fraction) * skin,
    }


def thresholded_jaccard(iou: np.ndarray, threshold: float = ISIC_THRESHOLD) -> np.ndarray:
    """Return the IoU of images with 0 for those below the threshold, as the ISIC challenge does.

    The challenge's score is its mean over the images.

    Args:
        iou: (...), IoU of each image, 0..1.
        threshold: IoU from which it counts.

    Example:
        >>> thresholded_jaccard(np.array([0.64, 0.65, 0.9])).tolist()
        [0.0, 0.65, 0.9]
    """
    iou = np.asarray(iou, np.float64)
    return np.where(iou >= threshold, iou, 0.0)


def check_masks(predicted: np.ndarray, truth: np.ndarray) -> None:
    """Raise ValueError or TypeError unless both are bool masks (H, W) of one size."""
    for name, mask in (("predicted", predicted), ("true", truth)):
        if mask.dtype != np.bool_:
            raise TypeError(f"the {name} mask must be bool, not {mask.dtype}; threshold it")
        if mask.ndim != 2 or mask.size == 0:
            raise ValueError(f"the {name} mask must be (H, W) with pixels, not {mask.shape}")
    if predicted.shape != truth.shape:
        raise ValueError(f"the predicted mask is {predicted.shape}, the true one {truth.shape}")


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, and 1 where there is nothing to find and nothing was found."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), 1.0)
