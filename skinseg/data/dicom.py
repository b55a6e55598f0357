"""Photographs in DICOM files, as hospitals keep them; through the package pydicom."""

from typing import Any, BinaryIO

from PIL import Image

from skinseg.errors import MissingPackageError

_MARK = b"DICM"
_MARK_AT = 128
HEADER = _MARK_AT + len(_MARK)
"""Bytes that tell whether a file is DICOM."""

_BITS = 8


class NoPhotographError(ValueError):
    """A DICOM file holds something else than a photograph."""


def is_dicom(prefix: bytes) -> bool:
    """Tell by the first 132 bytes.

    Example:
        >>> is_dicom(bytes(128) + b"DICM"), is_dicom(b"DICM")
        (True, False)
    """
    return prefix[_MARK_AT:HEADER] == _MARK


def open_dicom(file: BinaryIO) -> tuple[Any, tuple[int, int]]:
    """Read the header.

    Returns:
        What :func:`decode_dicom` takes, and (width, height).

    Raises:
        MissingPackageError: If pydicom is not installed.
        NoPhotographError: If the file holds no image, or its pixels have more than 8 bits.
        Exception: Whatever pydicom raises on damaged data.
    """
    try:
        from pydicom import dcmread
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "DICOM photographs need pydicom, which is not installed: pip install pydicom",
            name=error.name,
        ) from error
    dataset = dcmread(file)
    if "Rows" not in dataset or "PixelData" not in dataset:
        raise NoPhotographError("it is a DICOM file without an image")
    if dataset.BitsAllocated != _BITS:
        raise NoPhotographError(
            f"it is a DICOM image of {dataset.BitsStored} bits per sample, and a photograph has "
            f"{_BITS}. Export it as PNG, with the window that you look at it with"
        )
    return dataset, (dataset.Columns, dataset.Rows)


def decode_dicom(dataset: Any) -> Image.Image:
    """Decode the first frame as RGB, or as gray where there is one sample per pixel.

    Raises:
        Exception: Whatever pydicom raises on damaged data, or on a compression that it lacks a
            decoder for.
    """
    from pydicom.pixels import apply_color_lut, pixel_array

    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    pixels = pixel_array(dataset, index=0)  # Colors are converted to RGB.
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)
        pixels = (pixels >> 8).astype("uint8") if pixels.dtype.itemsize == 2 else pixels
    elif dataset.PhotometricInterpretation == "MONOCHROME1":  # White is 0.
        pixels = 255 - pixels
    image = Image.fromarray(pixels)
    image.format = "DICOM"
    setattr(image, "is_animated", frames > 1)  # noqa: B010  # As Pillow's formats of frames say it.
    return image
