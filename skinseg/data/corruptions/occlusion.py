"""What is on the skin. All take a `float32` `(H, W, 3)` image, 0..1, and the severity 0..4."""

import math

import numpy as np
from PIL import Image, ImageFilter

from skinseg.data.synthetic.artifacts import (
    add_bubbles,
    hair_cover,
    lay_hairs,
    lay_ruler,
    open_canvas,
    reduced_canvas,
    ruler_cover,
)
from skinseg.data.synthetic.noise import value_noise

_HAIRS = (3, 8, 16, 28, 45)
_BUBBLES = (4, 8, 14, 22, 32)
_LARGEST_BUBBLE = (0.025, 0.032, 0.042, 0.055, 0.07)
_RULER_EDGE = (0.05, 0.08, 0.12, 0.17, 0.23)
_RULER_LENGTH = (0.35, 0.5, 0.65, 0.8, 0.95)
_RULER_TICK = (0.016, 0.02, 0.025, 0.031, 0.038)
_RULER_OPACITY = (0.45, 0.6, 0.75, 0.85, 0.95)
_STROKES = (1, 2, 4, 6, 9)
_INK_DENSITY = (0.35, 0.6, 0.85, 1.1, 1.4)

# How strongly gentian violet, the ink of surgical pens, absorbs red, green and blue.
_VIOLET = np.array([1.15, 1.3, 0.45], np.float32)


def cover_with_hair(rng: np.random.Generator, image: np.ndarray, level: int) -> np.ndarray:
    """Hairs of one person: one color and thickness, most of them in one direction."""
    color = np.array([0.11, 0.08, 0.07]) + rng.random() ** 2 * np.array([0.3, 0.2, 0.12])
    direction, spread = rng.uniform(0, 2 * math.pi), rng.uniform(0.2, 0.7)
    length, thickness = rng.uniform(0.4, 0.8), rng.uniform(0.0035, 0.006)
    opacity = rng.uniform(0.75, 0.95)
    count = _HAIRS[level]
    cover = hair_cover(rng, image.shape[:2], count, direction, spread, length, thickness)
    return lay_hairs(image, cover, color, opacity)


def put_bubbles(rng: np.random.Generator, image: np.ndarray, level: int) -> np.ndarray:
    """Bubbles in the immersion gel, in clusters."""
    return add_bubbles(rng, image, _BUBBLES[level], _LARGEST_BUBBLE[level])


def put_ruler(rng: np.random.Generator, image: np.ndarray, level: int) -> np.ndarray:
    """A millimeter scale along one side; the worse, the longer, darker and nearer the middle."""
    edge = _RULER_EDGE[level]
    edge = edge if rng.random() < 0.5 else 1 - edge
    turn = rng.choice([0, math.pi / 2]) + rng.normal(0, 0.05)
    cover = ruler_cover(
        image.shape[:2],
        _RULER_LENGTH[level],
        step=rng.uniform(0.022, 0.035),
        turn=turn,
        edge=edge,
        pen=rng.uniform(0.004, 0.006),
        line=rng.random() < 0.7,
        tick=_RULER_TICK[level],
    )
    return lay_ruler(image, cover, _RULER_OPACITY[level], rng.uniform(0.05, 0.2))


def mark_with_ink(rng: np.random.Generator, image: np.ndarray, level: int) -> np.ndarray:
    """Strokes of a surgical pen around the middle, where a lesion is marked for excision.

    Ink is a filter on the skin: it darkens by absorbing, and is thinner where the skin is rough.
    """
    shape = image.shape[:2]
    canvas, draw, unit = open_canvas(shape)
    middle = np.array([canvas.width, canvas.height]) * (0.5 + rng.normal(0, 0.03, 2))
    uneven = np.clip(0.8 + 0.22 * value_noise(rng, shape, 45), 0.3, 1.2)
    start, width = rng.uniform(0, 2 * math.pi), rng.uniform(0.012, 0.018) * unit
    for number in range(_STROKES[level]):
        # The golden angle spreads any number of strokes around the circle.
        turn = start + number * 2.4 + rng.normal(0, 0.15)
        points = middle + unit * _stroke(rng, turn)
        # A pen's tip is round: disks along the way, closer than they are wide.
        for x, y in points:
            radius = width / 2 * rng.uniform(0.9, 1.1)
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    # Ink runs a little along the furrows of the skin.
    blur = ImageFilter.GaussianBlur(0.003 * min(shape))
    cover = np.asarray(Image.fromarray(reduced_canvas(canvas)).filter(blur), np.float32) / 255
    absorbed = np.float32(_INK_DENSITY[level]) * cover * uneven
    return image * np.exp(-absorbed[..., None] * _VIOLET)


def _stroke(rng: np.random.Generator, turn: float) -> np.ndarray:
    """Points of a pen stroke about the origin, `(200, 2)`: part of a ring, or a dash across it."""
    way = np.linspace(-0.5, 0.5, 200)
    ring, reach = rng.uniform(0.34, 0.4), rng.uniform(0.5, 0.9)
    wave = 0.012 * np.sin(way * rng.uniform(3, 7) + rng.uniform(0, 6))
    if rng.random() < 0.6:
        angle, radius = turn + reach * way, ring + wave
    else:
        angle, radius = turn + wave, ring + 0.14 * way
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
