"""Light and color. All take a `float32` `(H, W, 3)` sRGB image, 0..1, and the severity 0..4."""

import numpy as np

from skinseg.data.srgb import to_linear, to_srgb
from skinseg.data.synthetic.artifacts import darken_corners, distance_from_middle
from skinseg.data.synthetic.skin import skin_color

_VIGNETTE = (0.2, 0.4, 0.6, 0.78, 0.92)
_VIGNETTE_START = (0.4, 0.37, 0.33, 0.28, 0.22)
# Exposure values, powers of two; bright pictures lose their highlights early.
_BRIGHTER = (0.2, 0.4, 0.65, 0.9, 1.2)
_DARKER = (0.4, 0.8, 1.3, 1.8, 2.4)
_CAST = (0.06, 0.12, 0.2, 0.29, 0.38)
_TONE_FROM = 50.0
_TONES = (42.0, 30.0, 12.0, -10.0, -35.0)

# The weights of linear red, green and blue in luminance.
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


def vignette(rng: np.random.Generator, image: np.ndarray, level: int) -> np.ndarray:
    """Dark corners, with the optical axis a little beside the middle."""
    distance = distance_from_middle(image.shape[:2], rng.normal(0, 0.025, 2))
    return darken_corners(image, distance, _VIGNETTE[level], _VIGNETTE_START[level])


def shift_exposure(rng: np.random.Generator, image: np.ndarray, level: int) -> np.ndarray:
    """Too much light or too little, half of the seeds each."""
    stops = _BRIGHTER[level] if rng.random() < 0.5 else -_DARKER[level]
    return to_srgb(to_linear(image) * np.float32(2**stops))


def shift_white_balance(rng: np.random.Generator, image: np.ndarray, level: int) -> np.ndarray:
    """A cast: mostly warm or cold, a little green or magenta; a gray keeps its luminance."""
    side = 1 if rng.random() < 0.5 else -1
    tint = rng.normal(0, 0.25)
    cast = _CAST[level] * np.array([side, -tint, -side])
    gains = np.exp(cast).astype(np.float32)
    return to_srgb(to_linear(image) * (gains / (gains @ _LUMINANCE)))


def darken_skin(rng: np.random.Generator, image: np.ndarray, level: int) -> np.ndarray:
    """The same lesion on skin with more melanin.

    Epidermal melanin is a filter over skin and lesion alike. Its color is the ratio, in linear
    light, of skin at a lower individual typology angle (ITA) to skin at 50 degrees, both of the
    ITA curve in CIELAB that synthetic skin is made with. A ratio, because the ITA of a picture's
    own skin cannot be had without knowing its white balance. The camera makes up for a third
    of the lost light (in exposure values), as dermoscopes with automatic exposure do.
    """
    redness = rng.uniform(0.3, 0.7)
    fair = to_linear(skin_color(_TONE_FROM, redness))
    dark = to_linear(skin_color(_TONES[level], redness))
    made_up = ((fair @ _LUMINANCE) / (dark @ _LUMINANCE)) ** np.float32(1 / 3)
    return to_srgb(to_linear(image) * (dark / fair * made_up))
