"""The curve of sRGB: between the values of a picture and amounts of light."""

import numpy as np


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """From sRGB values to amounts of light, both 0..1."""
    return np.where(srgb > 0.04045, ((srgb + 0.055) / 1.055) ** 2.4, srgb / 12.92)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """From amounts of light to sRGB values; more light than 1 stays 1."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
