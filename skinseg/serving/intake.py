"""Images out of a request's body, which is read no further than the limits allow."""

from collections.abc import AsyncGenerator

from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from skinseg.formatting import counted
from skinseg.serving.limits import Limits
from skinseg.serving.problems import Problem

FIELD = "images"
"""Name of the form's field."""

FORM = "multipart/form-data"
BINARY = "application/octet-stream"
IMAGE_TYPES = (
    *("image/jpeg", "image/png", "image/bmp", "image/tiff", "image/gif", "image/webp"),
    *("image/x-portable-anymap", "image/jp2", "image/heic", "image/heif"),
)
"""Media types of a body that is one image; which format it has is told by its content."""


async def read_images(request: Request, limits: Limits) -> list[bytes]:
    """Return the image files of a request, one or more.

    Nothing is written to disk, and names of files are not looked at.

    Raises:
        Problem: If the body is of another kind (415), too large (413), no form that can be read, or
            a form with other fields or without images (400).
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == FORM:
        return await _read_form(request, limits)
    if kind.startswith("image/") or kind == BINARY:
        return [b"".join([part async for part in _limited(request, limits.max_bytes)])]
    raise Problem(
        415,
        f"a body of type '{kind[:100]}' is not taken; send a form ({FORM}) with images in fields "
        f"named '{FIELD}', or one image as the body with its type, as Content-Type: image/jpeg",
    )


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """The body in parts; no more of it than the limit is ever kept."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(int(declared), limit)
    received = 0
    async for part in request.stream():
        received += len(part)
        if received > limit:
            raise _too_large(received, limit)
        yield part


def _too_large(received: int, limit: int) -> Problem:
    return Problem(
        413,
        f"the request's body has {received:,} bytes or more, and at most {limit:,} are taken; send "
        "fewer or smaller images",
    )


class _Form(MultiPartParser):
    """A form that leaves nothing on the disk, and is read no further than its parts are allowed."""

    def __init__(self, request: Request, limits: Limits) -> None:
        # Its own limits of numbers are errors without a remedy; on_part_begin is there first.
        super().__init__(
            request.headers,
            _limited(request, limits.max_request_bytes),
            max_files=limits.max_images,
            max_fields=limits.max_images,
        )
        # A part that is larger goes to a file.
        self.spool_max_size = limits.max_request_bytes + 1
        self._allowed = limits.max_images
        self._left = limits.max_images
        self._ended = False

    async def parse(self) -> FormData:
        form = await super().parse()
        # The parser takes the parts that it has for all of them.
        if not self._ended:
            await form.close()
            raise Problem(
                400, "the form is cut off: its closing boundary is missing; send it again"
            )
        return form

    def on_end(self) -> None:
        self._ended = True
        super().on_end()

    def on_part_begin(self) -> None:
        if not self._left:
            raise Problem(
                413,
                f"the form has more than {counted(self._allowed, 'image')}; send the others in "
                "another request",
            )
        self._left -= 1
        super().on_part_begin()


async def _read_form(request: Request, limits: Limits) -> list[bytes]:
    try:
        form = await _Form(request, limits).parse()
    except (MultiPartException, FormParserError) as error:
        raise Problem(
            400,
            f"the form cannot be read: {str(error).rstrip('.')}. Send images in fields named "
            f"'{FIELD}'",
        ) from error
    try:
        return [await _file(name, value) for name, value in _some(form.multi_items())]
    finally:
        await form.close()


def _some(items: list[tuple[str, UploadFile | str]]) -> list[tuple[str, UploadFile | str]]:
    if not items:
        raise Problem(400, f"the form has no images; send them in fields named '{FIELD}'")
    return items


async def _file(name: str, value: UploadFile | str) -> bytes:
    if name != FIELD:
        raise Problem(
            400, f"the form has a field '{name[:100]}'; there are fields named '{FIELD}' alone"
        )
    if isinstance(value, str):
        raise Problem(
            400,
            f"a field '{FIELD}' of the form is text, not a file; with curl it is "
            f"-F {FIELD}=@lesion.jpg",
        )
    return await value.read()
