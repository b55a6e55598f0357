"""The one door to all corruptions."""

import zlib

import numpy as np

from skinseg.data.corruptions.camera import add_noise, compress, defocus, motion_blur
from skinseg.data.corruptions.light import (
    darken_skin,
    shift_exposure,
    shift_white_balance,
    vignette,
)
from skinseg.data.corruptions.occlusion import (
    cover_with_hair,
    mark_with_ink,
    put_bubbles,
    put_ruler,
)
from skinseg.names import near_matches

SEVERITIES = (1, 2, 3, 4, 5)
"""From barely visible to a bad picture that is still met in practice."""

_SMALLEST = 32
_KINDS = {
    "hair": cover_with_hair,
    "bubbles": put_bubbles,
    "ruler": put_ruler,
    "ink": mark_with_ink,
    "vignette": vignette,
    "defocus": defocus,
    "motion_blur": motion_blur,
    "noise": add_noise,
    "jpeg": compress,
    "exposure": shift_exposure,
    "white_balance": shift_white_balance,
    "skin_tone": darken_skin,
}


def list_corruptions() -> list[str]:
    """Return the kinds of corruption: what is on the skin, then light, camera and color.

    Example:
        >>> list_corruptions()[:4]
        ['hair', 'bubbles', 'ruler', 'ink']
    """
    return list(_KINDS)


def corrupt(image: np.ndarray, kind: str, severity: int, seed: int = 0) -> np.ndarray:
    """Corrupt an image as dermoscopic pictures are corrupted in practice.

    Nothing is moved, so the image's lesion mask holds for the result. Lengths are relative to the
    shorter side, so that an image looks the same at any resolution. Of one seed, a higher severity
    is the same defect made worse: the same hairs and more, the same direction of blur.

    Args:
        image: uint8 RGB (H, W, 3), values 0..255, sides of 32 pixels or more. It is not changed.
        kind: One of :func:`list_corruptions`.
        severity: 1 (barely visible) to 5 (bad, but still met in practice).
        seed: 0 or more; where hairs are, whether the picture is too bright or too dark, and so on.
            Give each image its own.

    Returns:
        A new uint8 array (H, W, 3).

    Raises:
        ValueError: If the kind is unknown (the message names near matches), the severity is not
            1..5, the seed is negative, or the image has another shape.
        TypeError: If the image is no uint8 array.

    Example:
        >>> from skinseg.data import synthetic_lesion
        >>> image, mask = synthetic_lesion(3, size=64)
        >>> hairy = corrupt(image, "hair", severity=4, seed=1)
        >>> hairy.shape, hairy.dtype.name, bool((hairy != image).any())
        ((64, 64, 3), 'uint8', True)
    """
    _check(image, kind, severity, seed)
    # Each kind has a stream of its own, so that no kind depends on which others there are.
    rng = np.random.default_rng([seed, zlib.crc32(kind.encode())])
    corrupted = _KINDS[kind](rng, image.astype(np.float32) / 255, severity - 1)
    return np.clip(corrupted * 255 + 0.5, 0, 255).astype(np.uint8)


def _check(image: np.ndarray, kind: str, severity: int, seed: int) -> None:
    if kind not in _KINDS:
        raise ValueError(f"there is no corruption {kind!r}; {near_matches(str(kind), _KINDS)}")
    if severity not in SEVERITIES:
        raise ValueError(f"severity must be 1, 2, 3, 4 or 5, not {severity!r}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        given = getattr(image, "dtype", type(image).__name__)
        raise TypeError(f"the image must be a uint8 array with values 0..255, not {given}")
    if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < _SMALLEST:
        raise ValueError(
            f"the image must be RGB (H, W, 3) with sides of {_SMALLEST} pixels or more, "
            f"not {image.shape}"
        )
