"""Image files opened and decoded, or refused with a reason."""

import contextlib
import io
import os
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias, TypeGuard

from PIL import Image, JpegImagePlugin

from skinseg.data.archives import read_member, split_archive
from skinseg.data.dicom import HEADER, NoPhotographError, decode_dicom, is_dicom, open_dicom
from skinseg.data.heic import is_heic, open_heic
from skinseg.errors import MissingPackageError
from skinseg.locations import Location, as_location, is_url, read_url

ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO | Image.Image"
"""What an image is read from: a path (also into a zip archive), a URL that fsspec knows, the bytes
of an image file, an open file, or an open Pillow image."""

MAX_PIXELS = 100_000_000
"""Pixels (width times height) above which an image is refused unless the caller says otherwise."""

MIN_SIDE = 8
"""Pixels below which a side shows no lesion, and is rather a mistake."""

# A fixed list keeps exotic decoders (some of which start other programs) away from users' files.
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP", "PPM", "JPEG2000")

# EXIF tag 0x0112: how the stored pixels must be turned to stand upright.
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_PILLOW_LIMIT_LOCK = threading.Lock()
# Several threads may be given one open file.
_OPEN_FILE_LOCK = threading.Lock()


class ImageError(ValueError):
    """An image or mask cannot be read or written; the message names the file and a remedy."""


class Decoded(NamedTuple):
    """The first frame of an image, upright.

    Attributes:
        image: With its pixels; smaller than ``size`` where that was asked for.
        name: What messages call it.
        size: (height, width) of the whole image.
        box: (left, top, right, bottom) of the whole image in ``image``. Where that is smaller, its
            last pixels may be of fewer than the others, and count in part.
    """

    image: Image.Image
    name: str
    size: tuple[int, int]
    box: tuple[float, float, float, float]


@contextlib.contextmanager
def opened(source: ImageSource, max_pixels: int) -> Iterator[tuple[Image.Image, str]]:
    """Give the image with its header read, not yet decoded, and the name for messages."""
    if isinstance(source, Image.Image):
        filename = getattr(source, "filename", "")
        name = f"'{filename}'" if filename else "the Pillow image"
        _check_size(source.size, name, max_pixels)
        yield source, name
        return
    file, name = _open_source(source)
    with file:
        yield _open_content(file, name, max_pixels), name


def is_open_file(source: object) -> TypeGuard[BinaryIO]:
    """Whether something can be read as an open file can."""
    return all(callable(getattr(source, method, None)) for method in ("read", "seek", "tell"))


def _content(file: BinaryIO) -> object:
    """All of an open file, which is then where it was: its owner may have plans for it."""
    with _OPEN_FILE_LOCK:
        position = file.tell()
        file.seek(0)
        try:
            return file.read()
        finally:
            file.seek(position)


def _open_source(source: object) -> tuple[BinaryIO, str]:
    """A file of one's own to read from, and what messages call it."""
    if isinstance(source, str | os.PathLike):
        place = as_location(source)
        return _open_file(place), f"'{place}'"
    if isinstance(source, bytes):
        content: object = source
        name = "the image of bytes"
    elif is_open_file(source):
        content, filename = _content(source), getattr(source, "name", None)
        name = f"'{filename}'" if isinstance(filename, str) else "the open file"
    else:
        raise TypeError(
            "Expected a path, bytes, an open binary file or a PIL.Image.Image, got "
            f"{type(source).__name__}."
        )
    if not isinstance(content, bytes):
        raise TypeError(f"{name} is open as text; open it in binary mode, as open(path, 'rb').")
    if not content:
        raise ImageError(f"Cannot read {name}: it has zero bytes. Read or download it again.")
    return io.BytesIO(content), name


@contextlib.contextmanager
def decoded(
    source: ImageSource,
    max_pixels: int,
    at_least: tuple[int, int] | None = None,
) -> Iterator[Decoded]:
    """Decode the first frame and turn it upright.

    Meant to be used by the function that users call: warnings point to its caller.

    Args:
        source: See :data:`ImageSource`.
        max_pixels: The most pixels (width times height) to accept.
        at_least: (height, width) that is enough. A JPEG file is then decoded at 1/2, 1/4 or 1/8 of
            its size, whichever is the smallest that is enough, which takes a fraction of the time.
    """
    with opened(source, max_pixels) as (image, name):
        whole, extent = image.size, None
        try:
            several_frames = image is not source and has_frames(image)
            if at_least is not None and image is not source:
                extent = _decode_smaller(image, at_least)
            with _no_pillow_limit(image):
                image.load()
            turn = orientation(image)
        except Exception as error:  # Decoders raise anything on damaged data.
            raise ImageError(
                f"Cannot read {name}: the file is truncated or damaged ({error}). "
                "Copy, download or export it again."
            ) from error
        if several_frames:
            warnings.warn(f"{name} has several frames; the first is used.", stacklevel=4)
        upright = image.transpose(_UPRIGHT[turn]) if turn > 1 else image
        upright.format = image.format
        width, height = upright.size
        if extent is None:
            yield Decoded(upright, name, (height, width), (0, 0, width, height))
        else:
            width, height = whole if turn < 5 else whole[::-1]
            yield Decoded(upright, name, (height, width), _upright_box(extent, image.size, turn))


def _decode_smaller(image: Image.Image, at_least: tuple[int, int]) -> tuple[float, float] | None:
    """Let a JPEG file leave out the frequencies that nobody will see.

    Returns:
        The width and height of the whole image in the smaller one's pixels, as it is stored; None
        for other formats.
    """
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return None
    height, width = at_least if orientation(image) < 5 else at_least[::-1]
    draft = image.draft(image.mode, (width, height))
    return draft[1][2:] if draft is not None else None


def _upright_box(
    extent: tuple[float, float], stored: tuple[int, int], turn: int
) -> tuple[float, float, float, float]:
    """Where an image that starts at the upper left lies once it is upright."""
    margins = stored[0] - extent[0], stored[1] - extent[1]
    (width, height), (right, bottom) = (
        (extent, margins) if turn < 5 else (extent[::-1], margins[::-1])
    )
    left = right if turn in (2, 3, 6, 7) else 0.0
    top = bottom if turn in (3, 4, 7, 8) else 0.0
    return left, top, left + width, top + height


def _open_file(place: Location) -> BinaryIO:
    path = Path(place)
    try:
        if is_url(place):
            return _open_url(place)
        inside = split_archive(path)
        if inside is not None:
            return _open_member(path, *inside)
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"Cannot read '{path}': it is a folder. Give an image file.")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(f"Cannot read '{path}': it is not a file. Give an image file.")
        if status.st_size == 0:
            raise ImageError(
                f"Cannot read '{path}': the file has zero bytes. Copy or download it again."
            )
        return open(path, "rb")
    except FileNotFoundError as error:
        raise ImageError(
            f"Cannot read '{place}': there is no such file. Check the path."
        ) from error
    except OSError as error:
        raise ImageError(
            f"Cannot read '{place}': {error.strerror or error}. Check the path and its permissions."
        ) from error
    except MissingPackageError as error:
        raise ImageError(f"Cannot read {error}.") from error


def _open_url(url: str) -> BinaryIO:
    content = read_url(url)
    if not content:
        raise ImageError(f"Cannot read '{url}': the file has zero bytes. Upload it again.")
    return io.BytesIO(content)


def _open_member(path: Path, archive: Path, name: str) -> BinaryIO:
    if not name:
        raise ImageError(
            f"Cannot read '{path}': it is an archive. Give an image in it, as '{path}/x.jpg'; "
            f"list_images('{path}', recursive=True) finds them."
        )
    return io.BytesIO(read_member(archive, name))


def _open_content(file: BinaryIO, name: str, max_pixels: int) -> Image.Image:
    """Open by content, past `Image.open`, whose size limit is one global for the process."""
    prefix = file.read(HEADER).ljust(16, b"\0")
    file.seek(0)
    try:
        if is_dicom(prefix):
            kind = "DICOM"
            dataset, size = open_dicom(file)
            _check_size(size, name, max_pixels)
            return decode_dicom(dataset)
        kind, opener = _opener(prefix, name)
        image = opener(file, name.strip("'"))
    except ImageError:
        raise
    except (MissingPackageError, NoPhotographError) as error:
        raise ImageError(f"Cannot read {name}: {error}.") from error
    except Exception as error:  # Format plugins raise anything on damaged headers.
        raise ImageError(
            f"Cannot read {name}: it begins like a {kind} image, but is truncated or "
            f"damaged ({error}). Copy, download or export it again."
        ) from error
    _check_size(image.size, name, max_pixels)
    return image


def _opener(prefix: bytes, name: str) -> tuple[str, Callable[[BinaryIO, str], Image.Image]]:
    """The name of the format that a file begins like, and what opens it."""
    if is_heic(prefix):
        return "HEIC", open_heic
    Image.init()
    for format in _FORMATS:
        factory, accept = Image.OPEN.get(format, (None, None))
        if factory is not None and accept is not None and accept(prefix[:16]) is True:
            return format, factory
    raise ImageError(
        f"Cannot read {name}: its content is not an image in a supported format "
        f"({', '.join(_FORMATS)}, HEIC, DICOM). Convert it to PNG or JPEG."
    )


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ImageError(
            f"Cannot read {name}: {width} x {height} is {width * height:,} pixels, more than "
            f"max_pixels={max_pixels:,}. Scale the image down, or raise max_pixels."
        )
    if width * height == 0:
        raise ImageError(f"Cannot read {name}: it has no pixels ({width} x {height}).")


@contextlib.contextmanager
def _no_pillow_limit(image: Image.Image) -> Iterator[None]:
    """Silence the size warning that Pillow gives while it decodes a large TIFF.

    `_check_size` has passed the image. Warning filters belong to the process, so they are touched
    for such images only, and by one thread at a time.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is None or image.width * image.height <= limit:
        yield
        return
    with _PILLOW_LIMIT_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def has_frames(image: Image.Image) -> bool:
    """Whether an open image has further frames, as an animation or a TIFF of several pages."""
    # MPO is what phones write: a photograph followed by previews of itself.
    return image.format != "MPO" and bool(getattr(image, "is_animated", False))


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8; 1 if there is none that makes sense."""
    try:
        turn = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # Damaged metadata does not spoil the pixels.
        return 1
    return turn if turn in _UPRIGHT else 1
