"""A dermoscopic picture from a number."""

import numpy as np

from skinseg.data.synthetic.artifacts import (
    add_bubbles,
    add_camera,
    add_hairs,
    add_ruler,
    add_uneven_light,
    add_vignette,
)
from skinseg.data.synthetic.lesion import draw_outline, lesion_absorbance
from skinseg.data.synthetic.skin import DARKEST, FAIREST, skin_absorbance, skin_color

_SMALLEST = 32


def synthetic_lesion(
    seed: int,
    size: int | tuple[int, int] = 256,
    *,
    skin_tone: float | None = None,
    hairs: int | None = None,
    bubbles: int | None = None,
    ruler: bool | None = None,
    vignette: bool | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Make a dermoscopic picture of a skin lesion, and its mask.

    The same seed gives the same picture on any machine, and the same lesion at any size of the
    same proportions (noise and grain apart). What is left at `None` is drawn from the seed;
    setting one of them changes nothing else about the picture.

    Args:
        seed: Any integer from 0 up.
        size: The side of a square picture, or `(H, W)`, in pixels; 32 or more.
        skin_tone: The individual typology angle of the skin in degrees, from 70 (very light)
            over 30 (intermediate) to -60 (dark); see `skinseg.data.synthetic.skin.skin_color`.
        hairs: The number of hairs.
        bubbles: The number of gel bubbles.
        ruler: Whether there is a ruler.
        vignette: Whether the corners are dark.

    Returns:
        The image, `uint8` RGB `(H, W, 3)`, and the mask, `bool` `(H, W)`, `True` in the lesion.
        The lesion is a single one without holes, which the border of the picture may cut off;
        there is always some lesion and some skin.

    Raises:
        ValueError: An argument is outside its range; the message names it.

    Example:
        >>> image, mask = synthetic_lesion(7, size=128, hairs=0)
        >>> image.shape, image.dtype.name, mask.shape, mask.dtype.name
        ((128, 128, 3), 'uint8', (128, 128), 'bool')
    """
    shape = _shape(size)
    _check(seed, skin_tone, hairs, bubbles)
    # Each part draws from a stream of its own, so that fixing one leaves the others as they are.
    streams = (np.random.default_rng([seed, part]) for part in range(9))
    tone_rng, skin_rng, outline_rng, lesion_rng, hair_rng, bubble_rng, ruler_rng, *rest = streams
    vignette_rng, camera_rng = rest

    drawn_tone = tone_rng.triangular(DARKEST, 50, FAIREST)
    color = skin_color(drawn_tone if skin_tone is None else skin_tone, tone_rng.random())
    outline = draw_outline(outline_rng, shape)
    absorbance = skin_absorbance(skin_rng, shape) + lesion_absorbance(lesion_rng, outline)
    image = color * np.exp(-absorbance)

    few, many = int(hair_rng.integers(1, 9)), int(hair_rng.integers(9, 31))
    drawn_hairs = int(hair_rng.choice([0, few, many]))
    drawn_bubbles = int(bubble_rng.integers(2, 9)) if bubble_rng.random() < 0.2 else 0
    drawn_ruler, drawn_vignette = ruler_rng.random() < 0.2, vignette_rng.random() < 0.35
    if drawn_ruler if ruler is None else ruler:
        image = add_ruler(ruler_rng, image)
    image = add_bubbles(bubble_rng, image, drawn_bubbles if bubbles is None else bubbles)
    image = add_hairs(hair_rng, image, drawn_hairs if hairs is None else hairs)
    image = add_uneven_light(camera_rng, image)
    if drawn_vignette if vignette is None else vignette:
        image = add_vignette(vignette_rng, image, outline.mask)
    return add_camera(camera_rng, image), outline.mask


def _shape(size: int | tuple[int, int]) -> tuple[int, int]:
    shape = (size, size) if isinstance(size, int) else tuple(size)
    if len(shape) != 2 or min(shape) < _SMALLEST:
        raise ValueError(
            f"size={shape} is too small or no (H, W). Give {_SMALLEST} pixels or more a side."
        )
    height, width = shape
    return height, width


def _check(seed: int, skin_tone: float | None, hairs: int | None, bubbles: int | None) -> None:
    if seed < 0:
        raise ValueError(f"seed={seed} is negative. Give an integer from 0 up.")
    if skin_tone is not None and not -60 <= skin_tone <= 70:
        raise ValueError(f"skin_tone={skin_tone} is no angle of -60 (dark) to 70 degrees (fair).")
    for name, count in (("hairs", hairs), ("bubbles", bubbles)):
        if count is not None and count < 0:
            raise ValueError(f"{name}={count} is negative. Give 0 for none.")
