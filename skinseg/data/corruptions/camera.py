"""Lens, hand, sensor and file. All take a `float32` `(H, W, 3)` image, and the severity 0..4."""

import io
import math

import numpy as np
from PIL import Image
from scipy.signal import oaconvolve

from skinseg.data.srgb import to_linear, to_srgb
from skinseg.data.synthetic.noise import value_noise

# Lengths are in units of the image's shorter side.
_DEFOCUS_RADIUS = (0.004, 0.008, 0.013, 0.02, 0.03)
_MOTION_LENGTH = (0.012, 0.024, 0.04, 0.06, 0.085)
_NOISE = (0.015, 0.03, 0.05, 0.075, 0.105)
_QUALITY = (60, 40, 25, 16, 10)

# Shorter side of the picture whose pixels are noisy and whose blocks are compressed.
_REFERENCE_SIDE = 256


def defocus(rng: np.random.Generator, image: np.ndarray, level: int) -> np.ndarray:
    """A point of light becomes a disk."""
    radius = _DEFOCUS_RADIUS[level] * min(image.shape[:2])
    reach = math.ceil(radius + 0.5)
    offsets = np.arange(-reach, reach + 1, dtype=np.float32)
    distance = np.hypot(offsets[:, None], offsets[None])
    # The rim's pixels count by the part that the disk covers; the middle always counts.
    return _blur(image, np.clip(radius + 0.5 - distance, 0, 1))


def motion_blur(rng: np.random.Generator, image: np.ndarray, level: int) -> np.ndarray:
    """The hand moves while the shutter is open: a point becomes a slightly bent line."""
    length = _MOTION_LENGTH[level] * min(image.shape[:2])
    turn, bend = rng.uniform(0, math.pi), rng.normal(0, 0.5)
    way = np.linspace(-0.5, 0.5, 16 * math.ceil(length) + 1)
    x = length * (way * math.cos(turn) - bend * (way**2 - 1 / 12) * math.sin(turn))
    y = length * (way * math.sin(turn) + bend * (way**2 - 1 / 12) * math.cos(turn))
    reach = math.ceil(max(np.abs(x).max(), np.abs(y).max())) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    left, top = np.floor(x), np.floor(y)
    for right, down in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (1 - np.abs(x - left - right)) * (1 - np.abs(y - top - down))
        place = ((top + down + reach).astype(int), (left + right + reach).astype(int))
        np.add.at(kernel, place, weight.astype(np.float32))
    return _blur(image, kernel)


def add_noise(rng: np.random.Generator, image: np.ndarray, level: int) -> np.ndarray:
    """Sensor noise of a dark room: fine in brightness, blotchy in color, strong in the dark."""
    shape = image.shape[:2]
    grain = value_noise(rng, shape, _REFERENCE_SIDE)[..., None]
    blotches = np.stack([value_noise(rng, shape, _REFERENCE_SIDE / 2) for _ in range(3)], axis=2)
    noise = np.float32(_NOISE[level]) * (0.8 * grain + 0.5 * blotches)
    # The sRGB curve is steepest in the dark, where it makes more of the sensor's noise.
    return image + noise * (1.2 - 0.5 * image)


def compress(rng: np.random.Generator, image: np.ndarray, level: int) -> np.ndarray:
    """JPEG blocks, as if the picture had been stored with a shorter side of 256 pixels.

    What compression does to the reduced picture is added to the picture, so that blocks have the
    same size relative to the lesion at any resolution.
    """
    height, width = image.shape[:2]
    scale = _REFERENCE_SIDE / min(height, width)
    full = Image.fromarray(np.round(image * 255).astype(np.uint8))
    small = full.resize((round(width * scale), round(height * scale)), Image.Resampling.BOX)
    stored = io.BytesIO()
    small.save(stored, format="JPEG", quality=_QUALITY[level], subsampling="4:2:0")
    damage = np.asarray(Image.open(stored), np.float32) - np.asarray(small, np.float32)
    channels = [
        Image.fromarray(damage[..., channel]).resize((width, height), Image.Resampling.BILINEAR)
        for channel in range(3)
    ]
    return image + np.stack([np.asarray(channel) for channel in channels], axis=2) / 255


def _blur(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Blur in linear light, as a lens does; the frame is continued by reflection."""
    reach = len(kernel) // 2
    padded = np.pad(to_linear(image), ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    kernel = (kernel / kernel.sum())[..., None].astype(np.float32)
    return to_srgb(oaconvolve(padded, kernel, mode="valid", axes=(0, 1)))
