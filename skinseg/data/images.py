"""Images and masks from files: read as plain arrays, written as whole files or not at all."""

import io
import os
from typing import NamedTuple

import numpy as np
from PIL import Image, TiffImagePlugin

from skinseg.data.decoding import (
    MAX_PIXELS,
    ImageError,
    ImageSource,
    decoded,
    opened,
    orientation,
)
from skinseg.data.levels import is_lesion
from skinseg.data.mask_png import mask_png
from skinseg.data.mask_values import WHITE, MaskValuesError
from skinseg.data.run_lengths import RunLengths
from skinseg.files import write_atomically
from skinseg.locations import Location, as_location, path_of

_CONVERTIBLE_TO_RGB = frozenset({"1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV"})

# JPEG noise moves the three channels of a gray mask apart by a few levels.
_GRAY_TOLERANCE = 16

# JPEG noise moves the black of a mask by fewer levels.
BLACK_NOISE = 16


def read_image(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read an image as 8-bit RGB, upright as its EXIF orientation says.

    Grayscale, palette, 1-bit and CMYK images are converted to RGB. Transparency is laid over
    white. 16-bit grayscale is scaled by its full range (65535 becomes 255); of 16-bit color the
    upper byte is kept. 32-bit and floating-point grayscale has no known range and is refused.
    Embedded color profiles are not applied. HEIC needs the extra `heic`, and DICOM (8 bits per
    sample) the extra `dicom`. Of a file with several frames (animated GIF, WebP or
    PNG, multi-page TIFF) the first is read and a `UserWarning` names the file; of an open
    `PIL.Image.Image` it is the frame the image stands at.

    Args:
        source: A path, a URL, the bytes of an image file, an open binary file, or an open Pillow
            image; files and images are left as they were. A path may lead into a zip archive, as
            `photos.zip/x.jpg`; a URL is one that fsspec knows, as `s3://bucket/x.jpg`.
        max_pixels: The most pixels (width times height) to accept. The header decides, so a
            larger image costs no memory. Pillow's own limit is neither used nor changed.

    Returns:
        A new `uint8` array of shape `(H, W, 3)`, values 0 to 255.

    Raises:
        ImageError: The file is missing, a folder, empty, not an image, damaged, too large, or
            has pixels of a kind that cannot be shown as RGB.
        TypeError: `source` is none of these.

    Example:
        >>> from PIL import Image
        >>> image = read_image(Image.new("L", (4, 2), 255))
        >>> image.shape, image.dtype.name, int(image.max())
        ((2, 4, 3), 'uint8', 255)
    """
    with decoded(source, max_pixels) as (image, name, *_):
        return np.array(_to_rgb(image, name))


class ReducedImage(NamedTuple):
    """An image that may have been decoded at a fraction of its size.

    Attributes:
        image: Of mode RGB.
        size: `(H, W)` of the whole image.
        box: `(left, top, right, bottom)` of the whole image in `image`, all of it but for a
            fraction of the last pixels.
    """

    image: Image.Image
    size: tuple[int, int]
    box: tuple[float, float, float, float]


def read_reduced_image(
    source: ImageSource,
    at_least: tuple[int, int],
    *,
    max_pixels: int = MAX_PIXELS,
) -> ReducedImage:
    """Read an image as `read_image` does, decoded no larger than need be.

    A JPEG file is decoded at 1/2, 1/4 or 1/8 of its size where that is enough, in a fraction of
    the time; everything else is read whole.

    Args:
        source: As `read_image` takes it.
        at_least: `(height, width)` that is enough.
        max_pixels: The most pixels (width times height) to accept, of the whole image.

    Returns:
        The image, with sides of `at_least` or more unless the whole image is smaller.

    Raises:
        ImageError: As `read_image`.
        TypeError: `source` is none of these.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (4000, 3002)).save(f"{folder}/photo.jpg")
        ...     reduced = read_reduced_image(f"{folder}/photo.jpg", (256, 256))
        >>> reduced.image.size, reduced.size, reduced.box
        ((500, 376), (3002, 4000), (0.0, 0.0, 500.0, 375.25))
    """
    with decoded(source, max_pixels, at_least) as (image, name, size, box):
        return ReducedImage(_to_rgb(image, name), size, box)


def read_mask(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read a lesion mask: `True` is lesion. Nothing is resized or interpolated.

    Gray values above 127 (of 255) are lesion; in a mask that holds nothing but 0 and 1, the ones
    are. 1-bit masks need no threshold. 16-bit masks are read by their full range, except that
    one with no values but 0 and 255 is read as an 8-bit mask. In a palette or color mask of
    black and one other color, the other color is lesion. Transparent pixels are background.
    EXIF orientation is followed as in `read_image`, so that image and mask stay aligned.

    A mask of other values, none of which means lesion (0 and 2, or 0 and 127), is refused, and so
    is one of 0, 1 and 255, where 255 may be what PASCAL VOC leaves out: it holds labels, and what
    they mean must be said (see `MappedLabels` and `AnyLabel`).

    Args:
        source: As `read_image` takes it.
        max_pixels: The most pixels (width times height) to accept.

    Returns:
        A new `bool` array of shape `(H, W)`.

    Raises:
        MaskValuesError: Some values are not 0, and none of them, or either 1 or 255, means lesion.
        ImageError: As `read_image`; also for a color picture, which is no mask.
        TypeError: `source` is none of these.

    Example:
        >>> from PIL import Image
        >>> mask = Image.new("L", (3, 1))
        >>> mask.putdata([0, 127, 128])
        >>> read_mask(mask).tolist()
        [[False, False, True]]
    """
    levels = read_mask_levels(source, max_pixels=max_pixels)
    return is_lesion(levels)


def read_mask_levels(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read a mask as gray levels, before the threshold at 127 that `read_mask` applies.

    Args:
        source: As `read_image` takes it.
        max_pixels: The most pixels (width times height) to accept.

    Returns:
        A `uint8` array of shape `(H, W)`; a binary mask holds 0 and 255 alone.

    Raises:
        ImageError: As `read_mask`.
        TypeError: `source` is none of these.

    Example:
        >>> from PIL import Image
        >>> read_mask_levels(Image.new("1", (2, 1), 1)).tolist()
        [[255, 255]]
    """
    with decoded(source, max_pixels) as (image, name, *_):
        return _mask_levels(image, name)


def image_size(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """The upright height and width of an image, from its header alone.

    Args:
        source: As `read_image` takes it.
        max_pixels: The most pixels (width times height) to accept.

    Returns:
        `(H, W)` as `read_image` would give them.

    Raises:
        ImageError: The header cannot be read, or the image is too large.
        TypeError: `source` is none of these.

    Example:
        >>> from PIL import Image
        >>> image_size(Image.new("RGB", (640, 480)))
        (480, 640)
    """
    with opened(source, max_pixels) as (image, _):
        width, height = image.size
        if orientation(image) < 5:
            return height, width
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            # Recent versions of Pillow give the size of a turned TIFF upright, others as stored.
            width, height = image.tag_v2[256], image.tag_v2[257]
        return width, height


def write_png(path: str | os.PathLike[str], array: np.ndarray | RunLengths) -> None:
    """Write an array as a PNG file; the file is there whole, or as it was before.

    Args:
        path: Where to write; must end in `.png`, in an existing folder, or be a URL that fsspec
            knows. An existing file is replaced.
        array: `bool` `(H, W)` or a mask's `RunLengths`, written as 0 and 255; `uint8` `(H, W)`,
            `(H, W, 3)` RGB or `(H, W, 4)` RGBA; or `uint16` `(H, W)`.

    Raises:
        ImageError: The array cannot be a PNG, or the file cannot be written (no space left, no
            permission, no such folder). Nothing half-written is left.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_png(f"{folder}/mask.png", np.eye(2, dtype=bool))
        ...     read_mask(f"{folder}/mask.png").tolist()
        [[True, False], [False, True]]
    """
    place = as_location(path)
    if path_of(place).suffix.lower() != ".png":
        raise ImageError(f"Cannot write '{place}' as PNG: give it a name that ends in '.png'.")
    content = _png(place, array)
    try:
        write_atomically(place, lambda temporary: temporary.write_bytes(content))
    except OSError as error:
        raise ImageError(
            f"Cannot write '{place}': {error.strerror or error}. Choose an existing folder that "
            "can be written to, on a disk with space left."
        ) from error


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if is_wide(image):
        return Image.fromarray(_scale_16bit(_wide_values(image, name))).convert("RGB")
    if image.has_transparency_data:
        rgba = _to_rgba(image)
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    if image.mode not in _CONVERTIBLE_TO_RGB:
        raise ImageError(
            f"Cannot read {name}: pixels of mode '{image.mode}' are not supported. "
            "Convert it to 8-bit RGB."
        )
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_rgba(image: Image.Image) -> Image.Image:
    # Pillow turns premultiplied gray into nothing but gray with alpha.
    return (image.convert("LA") if image.mode == "La" else image).convert("RGBA")


def is_wide(image: Image.Image) -> bool:
    """Whether an open image has gray values of more than 8 bits."""
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def is_lossy(image: Image.Image) -> bool:
    """Whether an open image is a JPEG file, in which values near black are noise, not labels."""
    return image.format in ("JPEG", "MPO")


def _wide_values(image: Image.Image, name: str) -> np.ndarray:
    """Gray values of 16 bits; Pillow clips them at 255 where it converts by itself."""
    # Pillow holds 16-bit PGM files, and before version 11 16-bit PNG files, as 32-bit integers.
    known = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
    if not known:
        raise ImageError(
            f"Cannot read {name}: 32-bit grayscale (mode '{image.mode}') has no known range. "
            "Convert it to 8 or 16 bits."
        )
    return np.asarray(image).astype(np.uint16)


def _scale_16bit(values: np.ndarray) -> np.ndarray:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _mask_levels(image: Image.Image, name: str) -> np.ndarray:
    if image.mode == "1":
        return np.array(image.convert("L"))
    if is_wide(image):
        values = _wide_values(image, name)
        eight_bit = bool(np.isin(values, (0, 1, 255)).all())
        levels = values.astype(np.uint8) if eight_bit else _scale_16bit(values)
    elif image.mode == "L" and not image.has_transparency_data:
        values = levels = np.array(image)
    else:
        values = levels = _color_mask_levels(image, name)
    lossy = is_lossy(image)
    # Lossy files hold noise: their 0 and 1 are both black, never a two-class mask. The values are
    # those that are stored: 16-bit labels up to a few hundred scale to levels 0 and 1.
    if not lossy and values.max() == 1:
        levels = levels * np.uint8(255)
    # Black is at most noise in a JPEG file, and nothing but 0 in any other.
    if values.max() >= (BLACK_NOISE if lossy else 1) and not is_lesion(levels).any():
        raise MaskValuesError(name, np.unique(values).tolist())
    if not lossy and _holds_one_and_white(values):
        raise MaskValuesError(name, np.unique(values).tolist())
    return levels


def _holds_one_and_white(values: np.ndarray) -> bool:
    """Whether there is both 1 and 255, and no other value but 0: two labels, rather than grays."""
    if not ((values == 1).any() and (values == WHITE).any()):
        return False
    return bool(np.isin(values, (0, 1, WHITE)).all())


def read_labels(source: ImageSource) -> np.ndarray:
    """Read the values of a mask as they are stored: labels, not levels.

    Args:
        source: As `read_image` takes it, of gray values, of a palette (whose indices are
            the labels), or of three equal channels. A fully transparent pixel has the label 0.

    Returns:
        A new integer array of shape `(H, W)`.

    Raises:
        ImageError: As `read_image`; also for a color picture, which holds no labels.

    Example:
        >>> from PIL import Image
        >>> read_labels(Image.new("L", (2, 1), 3)).tolist()
        [[3, 3]]
    """
    with decoded(source, MAX_PIXELS) as (image, name, *_):
        if image.mode == "I" or image.mode.startswith("I;16"):
            return _wide_values(image, name)
        values = stored_values(image)
    if values.ndim == 2:
        return values.astype(np.uint8)
    if (values != values[:, :, :1]).any():
        raise ImageError(
            f"Cannot read labels from {name}: it is a color picture. Save the labels as one "
            "channel of a PNG file, or let every color but black be lesion."
        )
    return values[:, :, 0].copy()


def stored_values(image: Image.Image) -> np.ndarray:
    """The values of an 8-bit mask: `(H, W)` of gray or a palette's indices, else `(H, W, 3)`.

    A fully transparent pixel is 0. Of a palette the index counts, whatever it looks like.
    """
    if image.mode in ("1", "P") or (image.mode == "L" and not image.has_transparency_data):
        return np.array(image)
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"))
    layers = np.asarray(image if image.mode in ("LA", "PA") else _to_rgba(image))
    # Laid over black, a half-transparent label would become another label.
    values: np.ndarray = layers[:, :, :-1] * (layers[:, :, -1:] > 0)
    return values if values.shape[2] == 3 else values[:, :, 0]


def _color_mask_levels(image: Image.Image, name: str) -> np.ndarray:
    if image.has_transparency_data:
        rgba = _to_rgba(image)
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, rgba)
    rgb = np.asarray(image.convert("RGB"))
    brightest: np.ndarray = rgb.max(axis=2)
    spread = (brightest - rgb.min(axis=2)).max()
    if spread == 0:
        return brightest
    colors = rgb[brightest > 0]
    if (colors == colors[0]).all():
        return np.where(brightest > 0, np.uint8(255), np.uint8(0))
    if spread <= _GRAY_TOLERANCE:
        return brightest
    raise ImageError(
        f"Cannot read {name} as a mask: it has more colors than black and one other. "
        "Save the mask as grayscale PNG, 0 for skin and 255 for lesion."
    )


def _png(path: Location, array: np.ndarray | RunLengths) -> bytes:
    if isinstance(array, RunLengths):
        return mask_png(array)
    array = np.asarray(array)
    color = array.ndim == 3 and array.shape[2] in (3, 4) and array.dtype == np.uint8
    gray = array.ndim == 2 and array.dtype in (np.bool_, np.uint8, np.uint16)
    if not (color or gray) or array.size == 0:
        raise ImageError(
            f"Cannot write '{path}': an array of shape {array.shape} and type {array.dtype} is no "
            "PNG image. Give bool, uint8 or uint16 (H, W), or uint8 (H, W, 3) or (H, W, 4)."
        )
    if array.dtype == np.bool_:
        return mask_png(RunLengths.from_mask(array))
    file = io.BytesIO()
    # A quarter of the default level's time; of a photograph the file is a fifth larger.
    Image.fromarray(np.ascontiguousarray(array)).save(file, format="PNG", compress_level=1)
    return file.getvalue()
