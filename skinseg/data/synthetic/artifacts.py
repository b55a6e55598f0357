"""What is between the skin and the picture: hairs, gel bubbles, rulers, light, the camera."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from skinseg.data.synthetic.lesion import coordinates
from skinseg.data.synthetic.noise import smoothstep, value_noise

# Lines are drawn larger and reduced, which smooths them.
_OVERSAMPLING = 3


def add_hairs(rng: np.random.Generator, image: np.ndarray, count: int) -> np.ndarray:
    """Lay curved, tapered hairs over an image, most of them in one direction.

    Args:
        rng: Where places, lengths and colors come from.
        image: `float32` `(H, W, 3)`, 0 to 1.
        count: The number of hairs.

    Returns:
        A new image.
    """
    if count == 0:
        return image
    color = np.array([0.12, 0.08, 0.06]) + rng.random() ** 2 * np.array([0.38, 0.27, 0.16])
    direction, spread = rng.uniform(0, 2 * math.pi), rng.uniform(0.15, 0.9)
    mean_length = rng.choice([0.12, 0.45, 0.9], p=[0.25, 0.35, 0.4])
    thickness = rng.uniform(0.002, 0.0065)
    cover = hair_cover(rng, image.shape[:2], count, direction, spread, mean_length, thickness)
    return lay_hairs(image, cover, color, rng.uniform(0.65, 0.95))


def hair_cover(
    rng: np.random.Generator,
    shape: tuple[int, int],
    count: int,
    direction: float,
    spread: float,
    mean_length: float,
    thickness: float,
) -> np.ndarray:
    """Draw hairs; of a larger count from the same stream, the first are the same.

    Args:
        rng: Where places, bends and single lengths come from.
        shape: `(H, W)`.
        count: The number of hairs.
        direction: Where most of them point, in radians.
        spread: Standard deviation of their directions, in radians.
        mean_length: In units of the image's shorter side, as is `thickness`.
        thickness: At the root.

    Returns:
        `uint8` `(H, W)`, 255 where a hair covers the pixel.
    """
    canvas, draw, unit = open_canvas(shape)
    for _ in range(count):
        start = rng.uniform(-0.1, 1.1, 2) * (canvas.width, canvas.height)
        heading = direction + rng.normal(0, spread)
        length = mean_length * rng.lognormal(0, 0.35)
        _draw_hair(rng, draw, start, heading, length, thickness * rng.uniform(0.6, 1.2), unit)
    return reduced_canvas(canvas)


def lay_hairs(
    image: np.ndarray, cover: np.ndarray, color: np.ndarray, opacity: float
) -> np.ndarray:
    """Lay hairs of one color, with their soft shadow, over a `float32` `(H, W, 3)` image."""
    shadow = np.asarray(
        Image.fromarray(cover).filter(ImageFilter.GaussianBlur(0.006 * min(cover.shape)))
    )
    cover = np.float32(opacity / 255) * cover[..., None]
    shaded = image * (1 - np.float32(0.25 / 255) * shadow[..., None])
    covered: np.ndarray = shaded * (1 - cover) + color.astype(np.float32) * cover
    return covered


def add_bubbles(
    rng: np.random.Generator, image: np.ndarray, count: int, largest: float = 0.045
) -> np.ndarray:
    """Put bubbles of immersion gel on an image: a dark rim with a bright one, and a glint.

    Args:
        rng: Where places and sizes come from.
        image: `float32` `(H, W, 3)`, 0 to 1.
        count: The number of bubbles; of a larger count, the first are at the same places.
        largest: Radius of the largest, in units of the image's shorter side.

    Returns:
        A new image.
    """
    image = image.copy()
    x, y = coordinates(image.shape[:2])
    light = rng.uniform(0, 2 * math.pi)
    near = rng.uniform(0, 1, 2)
    for _ in range(count):
        radius = math.exp(rng.uniform(math.log(0.008), math.log(largest)))
        # Bubbles come in clusters.
        middle_x, middle_y = (near + rng.normal(0, 0.16, 2)) % 1 * (x[0, -1], y[-1, 0])
        rows = np.flatnonzero(np.abs(y[:, 0] - middle_y) < 1.3 * radius)
        columns = np.flatnonzero(np.abs(x[0] - middle_x) < 1.3 * radius)
        if not (len(rows) and len(columns)):
            continue
        place = np.ix_(rows, columns)
        image[place] = _bubble(
            image[place], (x[:, columns] - middle_x) / radius, (y[rows] - middle_y) / radius, light
        )
    return image


def add_ruler(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Draw a millimeter scale near one border of an image."""
    length, step = rng.uniform(0.3, 0.75), rng.uniform(0.02, 0.04)
    turn = rng.choice([0, math.pi / 2]) + rng.normal(0, 0.12)
    edge = rng.uniform(0.06, 0.14)
    edge = edge if rng.random() < 0.5 else 1 - edge
    pen = rng.uniform(0.002, 0.005)
    cover = ruler_cover(image.shape[:2], length, step, turn, edge, pen, line=rng.random() < 0.7)
    return lay_ruler(image, cover, rng.uniform(0.5, 0.9), rng.uniform(0.05, 0.2))


def ruler_cover(
    shape: tuple[int, int],
    length: float,
    step: float,
    turn: float,
    edge: float,
    pen: float,
    *,
    line: bool,
    tick: float = 0.018,
) -> np.ndarray:
    """Draw a scale; lengths are in units of the image's shorter side.

    Args:
        shape: `(H, W)`.
        length: From end to end.
        step: Between two ticks; every fifth is about twice as long.
        turn: Its direction in radians: about 0 is along the width, about pi / 2 along the height.
        edge: Where it is across that direction, 0 to 1 from border to border.
        pen: Width of the lines.
        line: Whether a line joins the ticks.
        tick: Length of a short tick.

    Returns:
        `uint8` `(H, W)`, 255 where there is ink.
    """
    canvas, draw, unit = open_canvas(shape)
    length, step = length * unit, step * unit
    towards, aside = (
        np.array([math.cos(turn), math.sin(turn)]),
        np.array([-math.sin(turn), math.cos(turn)]),
    )
    size = np.array([canvas.width, canvas.height])
    middle = size * (np.array([0.5, edge]) if abs(towards[0]) > 0.5 else np.array([edge, 0.5]))
    width = max(1, round(pen * unit))
    ends = [tuple(middle + sign * length / 2 * towards) for sign in (-1, 1)]
    if line:
        draw.line(ends, fill=255, width=width)
    for number in range(int(length / step) + 1):
        foot = middle + (number * step - length / 2) * towards
        reach = (35 / 18 if number % 5 == 0 else 1) * tick * unit
        draw.line([tuple(foot), tuple(foot + reach * aside)], fill=255, width=width)
    return reduced_canvas(canvas)


def lay_ruler(image: np.ndarray, cover: np.ndarray, opacity: float, gray: float) -> np.ndarray:
    """Print a scale of one gray, 0 to 1, on a `float32` `(H, W, 3)` image."""
    cover = np.float32(opacity / 255) * cover[..., None]
    printed: np.ndarray = image * (1 - cover) + np.float32(gray) * cover
    return printed


def add_uneven_light(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Brighten one side of an image and darken the other, with the lamp's tint."""
    x, y = coordinates(image.shape[:2])
    turn, strength = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.14)
    slope = (x - x.mean()) * math.cos(turn) + (y - y.mean()) * math.sin(turn)
    cloud = np.float32(rng.uniform(0, 0.04)) * value_noise(rng, image.shape[:2], 2)
    # Dermoscopes are bright: more than the color of skin in daylight reaches the sensor.
    tint = np.exp(rng.normal(0, 0.09) + rng.normal((0.1, 0.19, 0.26), 0.03)).astype(np.float32)
    lit: np.ndarray = image * (1 + np.float32(strength) * 2 * slope + cloud)[..., None] * tint
    return lit


def add_vignette(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Darken the corners: softly, or down to a black ring if that hides nothing of the lesion."""
    distance = distance_from_middle(image.shape[:2], rng.normal(0, 0.025, 2))
    edge, softness = rng.uniform(0.54, 0.68), rng.uniform(0.004, 0.02)
    if rng.random() < 0.6 and distance[mask].max() < edge - softness:
        left = 1 - rng.uniform(0.88, 0.99) * smoothstep(edge - softness, edge + softness, distance)
        return image * left[..., None]
    return darken_corners(image, distance, rng.uniform(0.25, 0.6))


def distance_from_middle(shape: tuple[int, int], off: np.ndarray) -> np.ndarray:
    """Distance of each pixel from the optical axis, `(H, W)`, in units of the longer side.

    The corners of a square are at 0.71. `off` is how far the axis is from the middle, (x, y).
    """
    x, y = coordinates(shape)
    from_axis: np.ndarray = np.hypot(x - x.mean() - off[0], y - y.mean() - off[1])
    distance: np.ndarray = from_axis / max(x.max(), y.max())
    return distance


def darken_corners(
    image: np.ndarray, distance: np.ndarray, strength: float, start: float = 0.3
) -> np.ndarray:
    """Take light away from the distance `start` on; `strength` of it, 0 to 1, in the corners."""
    fall = strength * smoothstep(start, 0.78, distance)
    return image * (1 - fall)[..., None]


def add_camera(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Glints of the skin, a lens that is not quite sharp, and noise.

    Returns:
        The picture, `uint8` `(H, W, 3)`.
    """
    shape = image.shape[:2]
    if rng.random() < 0.3:
        field = value_noise(rng, shape, 110) + 0.5 * value_noise(rng, shape, 3)
        glints = np.float32(rng.uniform(0.08, 0.3)) * smoothstep(1.9, 3.2, field)
        image = image + glints[..., None]
    picture = Image.fromarray(np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8))
    blur = rng.uniform(0.0012, 0.0032) * min(shape)
    soft = np.asarray(picture.filter(ImageFilter.GaussianBlur(blur)), np.float32)
    soft += np.float32(rng.uniform(0.4, 2.2)) * rng.standard_normal((*shape, 1), dtype=np.float32)
    noisy: np.ndarray = np.clip(soft + 0.5, 0, 255)
    return noisy.astype(np.uint8)


def open_canvas(shape: tuple[int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw, int]:
    """A black canvas, a pen, and the length of the image's shorter side on it."""
    height, width = (side * _OVERSAMPLING for side in shape)
    canvas = Image.new("L", (width, height))
    return canvas, ImageDraw.Draw(canvas), min(height, width)


def reduced_canvas(canvas: Image.Image) -> np.ndarray:
    """The canvas at the image's size, `uint8` `(H, W)`."""
    return np.asarray(canvas.reduce(_OVERSAMPLING))


def _draw_hair(
    rng: np.random.Generator,
    draw: ImageDraw.ImageDraw,
    start: np.ndarray,
    heading: float,
    length: float,
    thickness: float,
    unit: int,
) -> None:
    steps = 24
    bend, more = rng.normal(0, 0.9) / steps, rng.normal(0, 2.0) / steps**2
    turns = heading + bend * np.arange(steps) + more * np.arange(steps) ** 2 / 2
    strides = length * unit / steps * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    points = np.vstack([start, start + np.cumsum(strides, axis=0)])
    for index in range(steps):
        # Thick at the root, pointed at the tip.
        width = thickness * unit * (1 - 0.75 * (index / steps) ** 2)
        ends = [tuple(points[index]), tuple(points[index + 1])]
        draw.line(ends, fill=255, width=max(1, round(width)))


def _bubble(patch: np.ndarray, x: np.ndarray, y: np.ndarray, light: float) -> np.ndarray:
    """Draw a bubble of radius 1 at the origin."""
    distance = np.hypot(x, y)
    light_x, light_y = math.cos(light), math.sin(light)
    facing = (x * light_x + y * light_y) / np.maximum(distance, 1e-3)
    rim = np.exp(-np.square((distance - 0.93) / 0.09))
    inner = np.exp(-np.square((distance - 0.74) / 0.12))
    glint = np.exp(
        -(np.square(x - 0.4 * math.cos(light)) + np.square(y - 0.4 * math.sin(light))) / 0.03
    )
    inside = smoothstep(1.02, 0.9, distance)
    shade = 1 - 0.3 * rim * (1 - facing) / 2 - 0.12 * inner * (1 + facing) / 2 + 0.05 * inside
    glow = 0.32 * rim * np.clip(facing, 0, 1) + 0.18 * inner * np.clip(-facing, 0, 1)
    bright = glow + 0.5 * glint * inside
    bubble: np.ndarray = patch * shade[..., None] + bright[..., None]
    return bubble.astype(np.float32)
