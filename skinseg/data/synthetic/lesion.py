"""The lesion: its outline, and how its pigment is in it."""

import math
from dataclasses import dataclass

import numpy as np

from skinseg.data.synthetic.noise import (
    Region,
    cell_noise,
    fractal_noise,
    smoothstep,
    value_noise,
)
from skinseg.data.synthetic.skin import BLACK, BLUE_GRAY, BROWN, RED


@dataclass(frozen=True, eq=False)
class Outline:
    """Where the lesion is.

    Attributes:
        depth: `float32` `(H, W)`: 1 at the middle of the lesion, 0 on its outline, negative
            outside, in units of the radius in that direction.
        angle: `float32` `(H, W)`: the direction as seen from the middle, in radians.
        mask: `bool` `(H, W)`: `depth > 0`.
        radius: The mean radius, in units of the image's shorter side.
    """

    depth: np.ndarray
    angle: np.ndarray
    mask: np.ndarray
    radius: float


def draw_outline(rng: np.random.Generator, shape: tuple[int, int]) -> Outline:
    """Draw an irregular closed outline, in one piece and without holes.

    The radius is a sum of a few waves around the middle; the plane is then bent a little, which
    makes bays and lobes that a radius alone cannot.
    """
    x, y = coordinates(shape)
    width, height = shape[1] / min(shape), shape[0] / min(shape)
    area = math.exp(rng.uniform(math.log(0.025), math.log(0.42)))
    radius = math.sqrt(area * width * height / math.pi)
    middle_x, middle_y = _middle(rng, width, height, radius)
    wander, bend = rng.uniform(0.06, 0.22) * radius, rng.uniform(0.9, 1.7) / max(radius, 0.12)
    bend_x, bend_y = value_noise(rng, shape, bend), value_noise(rng, shape, bend)
    # Below a slope of 1 the bent plane has no folds, so the lesion has no holes or islands.
    amount = np.float32(min(wander, 0.8 / _steepest(bend_x, bend_y)))
    x = x - np.float32(middle_x) + amount * bend_x
    y = y - np.float32(middle_y) + amount * bend_y
    turn, stretch = rng.uniform(0, math.pi), math.sqrt(math.exp(abs(rng.normal(0, 0.3))))
    along = (x * math.cos(turn) + y * math.sin(turn)) / np.float32(stretch)
    across = (y * math.cos(turn) - x * math.sin(turn)) * np.float32(stretch)
    angle = np.arctan2(across, along)
    reach = np.ones(shape, np.float32)
    irregular = rng.uniform(0.03, 0.16)
    for wave in range(2, 9):
        strength, phase = irregular * rng.normal() / wave**1.3, rng.uniform(0, 2 * math.pi)
        reach += np.float32(strength) * np.cos(wave * angle + np.float32(phase))
    reach = np.maximum(reach, np.float32(0.4)) * np.float32(radius)
    depth = 1 - np.hypot(along, across) / reach
    return Outline(depth, angle, depth > 0, radius)


def lesion_absorbance(rng: np.random.Generator, outline: Outline) -> np.ndarray:
    """How much the lesion darkens each color, as natural logarithm.

    Returns:
        `float32` `(H, W, 3)`; zero far outside the outline.
    """
    shape = outline.mask.shape
    # Pixels beyond this depth bear no pigment; the work is done on the box around the others.
    region = _box(outline.depth > -0.8)
    depth, angle = outline.depth[region], outline.angle[region]

    strength = math.exp(max(rng.normal(-0.3, 0.45), -1.0))
    # Blotches keep their number, not their size, from small lesions to large ones.
    blotches = 2.5 / max(2 * outline.radius, 0.4)
    coarse = fractal_noise(rng, shape, blotches, 3, region=region)
    fine = fractal_noise(rng, shape, 16, 3, gain=0.75, region=region)
    cover = _cover(rng, depth, angle, fine)
    middle = rng.normal(0, 0.35)
    density = 0.75 + middle * (depth - 0.4) + rng.uniform(0.12, 0.4) * coarse
    density += rng.uniform(0.1, 0.28) * fine
    density += _pattern(rng, shape, region, cover)
    density = np.clip(density, 0.12, 2.6) * cover * np.float32(strength)

    absorbance = _colors(rng, density, cover, value_noise(rng, shape, blotches, region))
    if rng.random() < 0.3:
        veil = fractal_noise(rng, shape, 0.7 * blotches, 3, region=region)
        absorbance = _veiled(rng, absorbance, density, cover, veil)
    if rng.random() < 0.2:
        absorbance = _whitened(
            rng, absorbance, depth, value_noise(rng, shape, 2 * blotches, region)
        )
    whole = np.zeros((*shape, 3), np.float32)
    whole[region] = absorbance
    return whole


def coordinates(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The middles of the pixels, in units of the image's shorter side: x `(1, W)`, y `(H, 1)`."""
    x, y = ((np.arange(side, dtype=np.float32) + 0.5) / min(shape) for side in shape[::-1])
    return x[None, :], y[:, None]


def _steepest(*fields: np.ndarray) -> float:
    """The largest slope of a vector field, per unit of the image's shorter side."""
    slopes = [slope for field in fields for slope in np.gradient(field, 1 / min(field.shape))]
    return math.sqrt(max(sum(slope * slope for slope in slopes).max(), 1e-6))


def _middle(
    rng: np.random.Generator, width: float, height: float, radius: float
) -> tuple[float, float]:
    if rng.random() < 0.08:  # cut off by the border of the image
        side = rng.uniform(0.15, 0.85)
        into = radius * rng.uniform(0.3, 0.9)
        place = [(side * width, into), (side * width, height - into)]
        place += [(into, side * height), (width - into, side * height)]
        return place[rng.integers(4)]
    off_x, off_y = np.clip(rng.normal(0, 0.4, 2), -1, 1)
    spare_x, spare_y = (max(0.04, side / 2 - 0.1 - radius) for side in (width, height))
    return float(width / 2 + off_x * spare_x), float(height / 2 + off_y * spare_y)


def _box(inside: np.ndarray) -> Region:
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _cover(
    rng: np.random.Generator, depth: np.ndarray, angle: np.ndarray, fine: np.ndarray
) -> np.ndarray:
    """How much of the pigment is there, 0 to 1: a half on the outline, which is ragged."""
    softness = math.exp(rng.uniform(math.log(0.07), math.log(0.42)))
    ragged = rng.uniform(0.25, 0.7) * min(softness, 0.12) * fine
    if rng.random() < 0.25:  # streaks reach out over the outline
        ragged += rng.uniform(0.03, 0.08) * _spokes(rng, angle)
    return smoothstep(-softness, softness, depth + ragged)


def _spokes(rng: np.random.Generator, angle: np.ndarray) -> np.ndarray:
    values = rng.standard_normal(int(rng.integers(40, 80))).astype(np.float32)
    turns = np.linspace(-math.pi, math.pi, len(values) + 1)
    spokes: np.ndarray = np.interp(angle, turns, np.append(values, values[0]))
    return spokes.astype(np.float32)


def _pattern(
    rng: np.random.Generator, shape: tuple[int, int], region: Region, cover: np.ndarray
) -> np.ndarray:
    """What dermoscopy shows besides blotches: a pigment network, globules, or neither."""
    kind = rng.choice(["network", "globules", "both", "none"], p=[0.35, 0.2, 0.15, 0.3])
    if kind == "none":
        return np.zeros_like(cover)
    cells, bend, margin = rng.uniform(38, 68), np.float32(0.016), np.float32(0.1)
    x, y = coordinates(shape)
    x = x[:, region[1]] + bend * value_noise(rng, shape, 14, region) + margin
    y = y[region[0]] + bend * value_noise(rng, shape, 14, region) + margin
    width, height = (side / min(shape) + 2 * float(margin) for side in shape[::-1])
    heart, wall, number = cell_noise(rng, x, y, cells, (width, height))
    patches = smoothstep(-0.6, 0.7, value_noise(rng, shape, 5, region))
    if kind == "globules":
        dots = smoothstep(0.5, 0.2, heart) * (number > 0.45)
        globules: np.ndarray = rng.uniform(0.35, 0.9) * patches * dots
        return globules
    net = smoothstep(0.3, 0.0, wall) - 0.35
    pattern = rng.uniform(0.2, 0.6) * (0.25 + 0.75 * patches) * net
    if kind == "both":
        pattern += rng.uniform(0.3, 0.8) * smoothstep(0.45, 0.15, heart) * (number > 0.8)
    return pattern


def _colors(
    rng: np.random.Generator, density: np.ndarray, cover: np.ndarray, blotches: np.ndarray
) -> np.ndarray:
    """Light brown where pigment is thin, black where it is thick, reddened in places."""
    black = np.float32(rng.uniform(0.12, 0.45)) * density * density
    red = np.float32(rng.uniform(0, 0.32)) * np.maximum(0.6 + 0.5 * blotches, 0) * cover
    colors: np.ndarray = (
        density[..., None] * BROWN + black[..., None] * BLACK + red[..., None] * RED
    )
    return colors


def _veiled(
    rng: np.random.Generator,
    absorbance: np.ndarray,
    density: np.ndarray,
    cover: np.ndarray,
    blotches: np.ndarray,
) -> np.ndarray:
    """Make a part of the lesion blue-gray, as pigment deep in the skin looks."""
    place = smoothstep(-0.3, 1.4, blotches + np.float32(rng.normal(0, 0.4))) * cover
    weight = np.float32(rng.uniform(0.4, 0.85)) * place[..., None]
    deep = (0.3 + 0.6 * density)[..., None] * BLUE_GRAY
    veiled: np.ndarray = absorbance * (1 - weight) + deep * weight
    return veiled


def _whitened(
    rng: np.random.Generator, absorbance: np.ndarray, depth: np.ndarray, blotches: np.ndarray
) -> np.ndarray:
    """Take pigment away in a few places inside, as regression does."""
    place = smoothstep(0.3, 1.0, blotches) * smoothstep(0.1, 0.35, depth)
    kept: np.ndarray = 1 - np.float32(rng.uniform(0.4, 0.8)) * place[..., None]
    whitened: np.ndarray = absorbance * kept
    return whitened
