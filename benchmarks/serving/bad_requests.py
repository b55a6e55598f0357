"""Requests that a service must refuse, each with the status of its answer."""

import io

import numpy as np
from PIL import Image

from benchmarks.serving.clients import Call

PNG = {"Content-Type": "image/png", "Accept": "image/png"}
_BOUNDARY = "boundary"
_FORM = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}", "Accept": "image/png"}


def bad_requests(photograph: bytes) -> dict[str, Call]:
    """Return a request of each kind, by what is wrong with it.

    Args:
        photograph: A JPEG file without error.
    """
    skin = Image.new("RGB", (64, 64), (200, 160, 140))
    dark = Image.new("RGB", (64, 64))
    png = _file(skin, "PNG")
    huge = _file(Image.new("1", (10_000, 8_000)), "PNG")
    floats = _file(Image.fromarray(np.ones((64, 64), np.float32)), "TIFF")
    bodies = {
        "nothing": (b"", 422),
        "a text": (b"This is a letter and no image at all.", 422),
        "an archive": (b"PK\x03\x04" + bytes(64), 422),
        "the first 20 bytes of a PNG": (png[:20], 422),
        "half of a PNG": (png[: len(png) // 2], 422),
        "half of a JPEG": (photograph[: len(photograph) // 2], 422),
        "an animated GIF": (_file(skin, "GIF", save_all=True, append_images=[dark]), 422),
        "a TIFF of two pages": (_file(skin, "TIFF", save_all=True, append_images=[dark]), 422),
        "4 x 4 pixels": (_file(skin.resize((4, 4)), "PNG"), 422),
        "numbers without a range": (floats, 422),
        "80 million pixels": (huge, 413),
        "a DICOM file": (bytes(128) + b"DICM" + bytes(64), 415),
    }
    calls = {kind: Call(body, PNG, status) for kind, (body, status) in bodies.items()}
    calls["30 million bytes"] = Call(bytes(30_000_000), PNG, 413)
    calls["a body of the type text/plain"] = Call(png, {**PNG, "Content-Type": "text/plain"}, 415)
    calls["Accept: text/html"] = Call(png, {**PNG, "Accept": "text/html"}, 406)
    calls["a PNG for two images"] = Call(_form("images", png, png), _FORM, 406)
    calls["a field of another name"] = Call(_form("picture", png), _FORM, 400)
    calls["a form that is cut"] = Call(_form("images", png)[:60], _FORM, 400)
    return calls


def _file(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def _form(field: str, *contents: bytes) -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="x"\r\n\r\n'
    parts = b"".join(head.encode() + content + b"\r\n" for content in contents)
    return parts + f"--{_BOUNDARY}--\r\n".encode()
