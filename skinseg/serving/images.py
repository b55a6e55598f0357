"""One image of a client, made ready for the network or refused."""

from skinseg.data.decoding import ImageError, has_frames, opened
from skinseg.data.dicom import HEADER, is_dicom
from skinseg.errors import MissingPackageError
from skinseg.inference.predictor import Predictor
from skinseg.inference.preprocessing import Prepared
from skinseg.serving.limits import Limits
from skinseg.serving.problems import Problem

# More pixels than any header can tell: the limit is the service's, not the reader's.
_ANY = 2**80


def prepare(predictor: Predictor, limits: Limits, content: bytes, name: str) -> Prepared:
    """Return an image as the network takes it.

    Args:
        predictor: Whose network it is.
        limits: Of bytes and pixels.
        content: An image file.
        name: What messages call it.

    Raises:
        Problem: If it is too large (413), of a format that is not read here (415), or no single
            image without damage (422).
    """
    _check_bytes(content, name, limits)
    try:
        _check_header(content, name, limits)
        return predictor.transforms.prepare(content, name, tile=predictor.tile)
    except ImageError as error:
        if isinstance(error.__cause__, MissingPackageError):
            # What to install is the host's matter, not the client's.
            raise Problem(
                415, f"{name} is of a format that is not read here; send it as JPEG or PNG"
            ) from error
        raise Problem(422, str(error).replace("the image of bytes", name)) from error


def _check_bytes(content: bytes, name: str, limits: Limits) -> None:
    if not content:
        raise Problem(422, f"{name} has zero bytes; send the whole file")
    if len(content) > limits.max_bytes:
        raise Problem(
            413,
            f"{name} has {len(content):,} bytes, and at most {limits.max_bytes:,} are taken; send "
            "it smaller, or as JPEG",
        )
    if is_dicom(content[:HEADER]):
        raise Problem(
            415,
            f"{name} is a DICOM file, which holds more of the patient than pixels; send its image "
            "as JPEG or PNG",
        )


def _check_header(content: bytes, name: str, limits: Limits) -> None:
    """Refuse by the header what would be too large, or several pictures, once it is decoded."""
    with opened(content, _ANY) as (image, _):
        width, height = image.size
        if width * height > limits.max_pixels:
            raise Problem(
                413,
                f"{name} has {width} x {height} = {width * height:,} pixels, and at most "
                f"{limits.max_pixels:,} are taken; scale it down",
            )
        if _several(image, name):
            raise Problem(422, f"{name} has several frames or pages; send one of them alone")


def _several(image: object, name: str) -> bool:
    try:
        return has_frames(image)  # type: ignore[arg-type]
    except Exception as error:  # Decoders raise anything on damaged data.
        raise Problem(
            422, f"Cannot read {name}: the file is truncated or damaged. Send it again."
        ) from error
