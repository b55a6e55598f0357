"""How far a score would move, had other images of the same kind been tested."""

import numpy as np


def bootstrap_weights(images: int, resamples: int, seed: int = 0) -> np.ndarray:
    """Draw ``images`` of the images with replacement, ``resamples`` times.

    Networks that are scored on the same images with the same seed get the same resamples, so that
    their scores may be compared resample by resample.

    Args:
        images: Number of images.
        resamples: Number of resamples.
        seed: Random seed for NumPy's default generator.

    Returns:
        int64 (resamples, images): how often each image was drawn; each row adds up to ``images``.
        A resample's mean of per-image values (images,) is ``weights @ values / images``, its
        pooled counts are ``weights @ counts`` for counts (images, ...).

    Raises:
        ValueError: If ``images`` or ``resamples`` is below 1.

    Example:
        >>> bootstrap_weights(5, 3).sum(axis=1).tolist()
        [5, 5, 5]
    """
    if images < 1 or resamples < 1:
        raise ValueError(f"images ({images}) and resamples ({resamples}) must be 1 or more")
    return np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), resamples)


def percentile_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the bootstrap percentile interval of a score.

    Args:
        values: (resamples,), the score of each resample.
        level: Fraction of the resamples that are inside.

    Raises:
        ValueError: If ``level`` is not between 0 and 1.

    Example:
        >>> low, high = percentile_interval(np.linspace(0, 1, 101))
        >>> round(low, 3), round(high, 3)
        (0.025, 0.975)
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be above 0 and below 1, not {level}")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
