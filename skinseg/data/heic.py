"""HEIC photographs, as phones write them; through the package pillow-heif."""

from typing import BinaryIO, cast

from PIL import Image

from skinseg.errors import MissingPackageError

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def is_heic(prefix: bytes) -> bool:
    """Tell by the first 12 bytes.

    Example:
        >>> is_heic(bytes(4) + b"ftypheic"), is_heic(bytes(12))
        (True, False)
    """
    return prefix[4:8] == b"ftyp" and prefix[8:12] in _BRANDS


def open_heic(file: BinaryIO, name: str) -> Image.Image:
    """Read the header; the pixels are decoded, upright, when they are asked for.

    Raises:
        MissingPackageError: If pillow-heif is not installed.
        Exception: Whatever pillow-heif raises on damaged data.
    """
    try:
        from pillow_heif import HeifImageFile
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "HEIC photographs need pillow-heif, which is not installed: pip install pillow-heif",
            name=error.name,
        ) from error
    return cast(Image.Image, HeifImageFile(file, name))
