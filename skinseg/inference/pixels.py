"""Whatever a user may call an image, as 8-bit RGB."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, TypeGuard

import numpy as np
from PIL import Image

from skinseg.data.decoding import MIN_SIDE, ImageError, is_open_file
from skinseg.data.images import ReducedImage, read_image, read_reduced_image

if TYPE_CHECKING:
    import torch

ImageLike: TypeAlias = (
    "str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray | torch.Tensor"
)

CHANNEL_ORDERS = ("rgb", "bgr")
"""Orders of the color channels of arrays and tensors; OpenCV reads images as BGR."""

# Arithmetic in 0..1 may leave it by rounding; anything further is another range.
_FLOAT_TOLERANCE = 1e-4

# Pillow decodes an image object when first used; two threads must not do so at once.
_PILLOW_LOCK = threading.Lock()


def as_rgb(image: ImageLike, name: str = "the image", *, channel_order: str = "rgb") -> np.ndarray:
    """Return an image as 8-bit RGB.

    Integer pixels are 0..255, floating-point pixels 0..1; these are rounded to 8 bits, which is
    what networks are trained on. Transparency is laid over white.

    Args:
        image: Path, also into a zip archive; URL; bytes of an image file, or such a file, open;
            Pillow image; array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); or tensor
            (H, W), (1, H, W), (3, H, W) or (4, H, W) on any device. uint8 or floating point.
        name: What errors call an image that is no file.
        channel_order: ``"rgb"`` or ``"bgr"``: the order in arrays and tensors.

    Returns:
        uint8 array (H, W, 3).

    Raises:
        ImageError: If a file cannot be read, or the shape or values are not those of an image, or
            a side is shorter than 8 pixels.
        TypeError: If it is none of the above, or of another dtype.

    Example:
        >>> as_rgb(np.full((10, 20), 0.5))[0, 0].tolist()
        [128, 128, 128]
    """
    if isinstance(image, str | os.PathLike):
        rgb, name = read_image(image), f"'{os.fspath(image)}'"
    elif isinstance(image, Image.Image):
        with _PILLOW_LOCK:
            rgb = read_image(image)
    elif isinstance(image, bytes) or is_open_file(image):
        rgb = read_image(image)
    else:
        rgb = _array_to_rgb(_pixels(image, name), name)
        rgb = rgb[:, :, ::-1] if channel_order == "bgr" else rgb
    check_sides(rgb.shape[:2], name)
    return rgb


def as_reduced_image(
    image: ImageLike, at_least: tuple[int, int], name: str = "the image"
) -> ReducedImage:
    """Return an image as :func:`as_rgb` does, but for a network that sees it smaller.

    Args:
        image: As for :func:`as_rgb`.
        at_least: (height, width) that is enough; JPEG files are decoded at no more than double.
        name: What errors call an image that is no file.

    Returns:
        The image; its channels have the order that they have in ``image``.

    Raises:
        ImageError: As :func:`as_rgb`.
        TypeError: As :func:`as_rgb`.

    Example:
        >>> as_reduced_image(np.full((10, 20), 0.5), (8, 8)).size
        (10, 20)
    """
    if isinstance(image, str | os.PathLike):
        reduced, name = read_reduced_image(image, at_least), f"'{os.fspath(image)}'"
    elif isinstance(image, Image.Image):
        with _PILLOW_LOCK:
            reduced = read_reduced_image(image, at_least)
    elif isinstance(image, bytes) or is_open_file(image):
        reduced = read_reduced_image(image, at_least)
    else:
        levels = np.ascontiguousarray(_array_to_rgb(_pixels(image, name), name))
        height, width = levels.shape[:2]
        reduced = ReducedImage(Image.fromarray(levels), (height, width), (0, 0, width, height))
    check_sides(reduced.size, name)
    return reduced


def is_array(image: object) -> TypeGuard[np.ndarray | torch.Tensor]:
    """Whether something is an array or a tensor."""
    return isinstance(image, np.ndarray) or _is_tensor(image)


def _is_tensor(image: object) -> TypeGuard[torch.Tensor]:
    # Where nobody has imported torch, nothing is a tensor.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(image, torch.Tensor)


def check_sides(size: tuple[int, ...], name: str) -> None:
    """Raise an ImageError if an image of (H, W) shows no lesion, being so small."""
    if min(size) < MIN_SIDE:
        raise ImageError(
            f"{name} is {size[1]} x {size[0]} pixels; a lesion needs at least "
            f"{MIN_SIDE} x {MIN_SIDE}. Give the image at its full size."
        )


def _pixels(image: object, name: str) -> np.ndarray:
    """An array or a tensor as a channels-last array, if it may be an image."""
    if _is_tensor(image):
        return _channels_last(image, name)
    if isinstance(image, np.ndarray):
        return _checked_array(image, name)
    raise TypeError(
        f"{name} is of type {type(image).__name__}; give a path, the bytes of an image file, an "
        "open file, a Pillow image, a NumPy array or a tensor"
    )


def _channels_last(tensor: torch.Tensor, name: str) -> np.ndarray:
    if not (str(tensor.dtype) == "torch.uint8" or tensor.is_floating_point()):
        raise _wrong_dtype(name, tensor.dtype)
    if tensor.ndim not in (2, 3) or (tensor.ndim == 3 and tensor.shape[0] not in (1, 3, 4)):
        raise _wrong_shape(name, "tensor", tensor.shape, "(H, W), (1, H, W), (3, H, W), (4, H, W)")
    # NumPy has no bfloat16; float32 holds every shorter type.
    tensor = tensor.float() if tensor.is_floating_point() else tensor
    array = tensor.detach().cpu().numpy()
    return np.moveaxis(array, 0, -1) if array.ndim == 3 else array


def _checked_array(array: np.ndarray, name: str) -> np.ndarray:
    if not (array.dtype == np.uint8 or np.issubdtype(array.dtype, np.floating)):
        raise _wrong_dtype(name, array.dtype)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise _wrong_shape(name, "array", array.shape, "(H, W), (H, W, 1), (H, W, 3), (H, W, 4)")
    return array


def _array_to_rgb(array: np.ndarray, name: str) -> np.ndarray:
    """Channels-last pixels of any permitted kind, as RGB."""
    if array.size == 0:
        raise ImageError(f"{name} has no pixels: its shape is {array.shape}.")
    levels = array if array.dtype == np.uint8 else _levels(array, name)
    if levels.ndim == 2:
        levels = levels[:, :, None]
    if levels.shape[2] == 4:
        return read_image(Image.fromarray(np.ascontiguousarray(levels)))
    return np.repeat(levels, 3, axis=2) if levels.shape[2] == 1 else levels


def _levels(array: np.ndarray, name: str) -> np.ndarray:
    """Floating-point pixels 0..1 as 0..255."""
    if not np.isfinite(array).all():
        raise ImageError(
            f"{name} has {np.count_nonzero(~np.isfinite(array))} values that are NaN or infinite. "
            "Replace them."
        )
    low, high = float(array.min()), float(array.max())
    if low < -_FLOAT_TOLERANCE or high > 1 + _FLOAT_TOLERANCE:
        raise ImageError(
            f"{name} has floating-point pixels from {low:g} to {high:g}; they must be in 0..1. "
            "Divide them by their full range, or give uint8 pixels 0..255."
        )
    return (array.astype(np.float32).clip(0, 1) * 255).round().astype(np.uint8)


def _wrong_dtype(name: str, dtype: object) -> TypeError:
    return TypeError(
        f"{name} has pixels of type {dtype}; give uint8 (0..255) or floating point (0..1), such as "
        "image / 65535 for a 16-bit image"
    )


def _wrong_shape(name: str, kind: str, shape: tuple[int, ...], expected: str) -> ImageError:
    return ImageError(
        f"{name} is a {kind} of shape {tuple(shape)}; one image is a {kind} {expected}. Several "
        f"images are a list of them, or one {kind} with a leading batch dimension."
    )
