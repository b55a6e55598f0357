"""Skin without a lesion: its tone, its blotches and its grain."""

import math

import numpy as np

from skinseg.data.srgb import to_srgb
from skinseg.data.synthetic.noise import fractal_noise, value_noise

FAIREST, DARKEST = 65.0, -45.0
"""The ends of the skin tones drawn at random: individual typology angles, in degrees."""

# How strongly a unit of each pigment darkens red, green and blue.
BROWN = np.array([0.24, 0.62, 0.93], np.float32)
BLACK = np.array([0.95, 0.95, 0.90], np.float32)
BLUE_GRAY = np.array([1.05, 0.78, 0.58], np.float32)
RED = np.array([0.06, 0.52, 0.48], np.float32)


def skin_color(tone: float, redness: float = 0.5) -> np.ndarray:
    """The color of skin of an individual typology angle (ITA).

    The angle is `arctan((L* - 50) / b*)` in CIELAB: above 55 degrees very light, 41 to 55 light,
    28 to 41 intermediate, 10 to 28 tan, -30 to 10 brown, below -30 dark skin.

    Args:
        tone: The angle in degrees, -60 to 70.
        redness: From 0 (sallow) to 1 (flushed); it moves a* and leaves the angle as it is.

    Returns:
        sRGB, `float32` `(3,)`, 0 to 1.

    Example:
        >>> fair, dark = skin_color(60), skin_color(-40)
        >>> bool((fair > dark).all())
        True
    """
    yellow = float(np.interp(tone, [-60, -20, 30, 70], [12, 17, 17, 11.5]))
    lightness = 50 + yellow * math.tan(math.radians(tone))
    red = 6 + 9 * redness
    return _srgb(lightness, red, yellow)


def skin_absorbance(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """How much darker than its mean color the skin is at each place, as natural logarithm.

    Returns:
        `float32` `(H, W, 3)`.
    """
    blood = rng.uniform(0.03, 0.1) * fractal_noise(rng, shape, 2.5, 5, gain=0.6)
    melanin = rng.uniform(0.02, 0.07) * fractal_noise(rng, shape, 5, 4, gain=0.65)
    freckles = _freckles(rng, shape)
    # Furrows: the zero lines of two fields, each drawn out in its own direction.
    furrows = rng.uniform(0.0, 0.05) * _furrows(rng, shape)
    grain = rng.uniform(0.01, 0.03) * fractal_noise(rng, shape, 60, 2, gain=0.8)
    absorbance: np.ndarray = (
        blood[..., None] * RED
        + (melanin + freckles)[..., None] * BROWN
        + (furrows + grain)[..., None] * np.float32(0.7)
    )
    return absorbance


def _freckles(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    field = value_noise(rng, shape, rng.uniform(12, 20))
    strength = rng.uniform(0, 0.22) * (rng.random() < 0.35)
    freckles: np.ndarray = np.float32(strength) * np.clip(field - 1.3, 0, 0.6)
    return freckles


def _furrows(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    field = value_noise(rng, shape, rng.uniform(22, 34))
    furrows: np.ndarray = np.exp(-np.square(field * 4)) - np.float32(0.2)
    return furrows


def _srgb(lightness: float, a: float, b: float) -> np.ndarray:
    """CIELAB (D65) to sRGB."""
    fy = (lightness + 16) / 116
    f = np.array([fy + a / 500, fy, fy - b / 200])
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    xyz *= (0.95047, 1.0, 1.08883)
    return to_srgb(_RGB_OF_XYZ @ xyz).astype(np.float32)


_RGB_OF_XYZ = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
