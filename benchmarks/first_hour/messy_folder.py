"""A folder as people have them: photographs and masks, with more than ten kinds of mess."""

import io
import unicodedata
from pathlib import Path

import numpy as np
from PIL import Image

from skinseg.data import synthetic_lesion

PLAIN = 28
"""Photographs with masks in which nothing is odd."""

NAME = "my photos"

MESS = {
    "Nevus 01.JPG": "a space in the name, capitals in the ending; its mask is Nevus 01_Mask.PNG",
    "Läsion 2.png": "an accent as one character, in the name of its mask as two; with transparency",
    "病変_3.tif": "a name in another script, a file of another format",
    "gray 4.png": "a gray photograph",
    "healthy 5.png": "a mask without lesion",
    "cut 6.jpg": "a file that ends in the middle",
    "nothing 7.png": "a file of zero bytes",
    "letter 8.jpg": "text in a file that is called .jpg",
    "no mask 9.jpg": "no mask",
    "other size 10.png": "a mask of another size",
    "values 11.png": "a mask of 0 and 2",
    "again 12.jpg": "the same file as IMG_0000.jpg",
    "twice 13.jpg": "beside twice 13.png, another photograph",
    "notes.txt": "no photograph at all",
}
"""What is odd about each file in the folder of photographs."""

LEFT_OUT = ("cut 6", "nothing 7", "letter 8", "no mask 9", "other size 10")
"""What `check` calls broken, and `train` leaves out."""

UNREADABLE = ("cut 6", "nothing 7", "letter 8")
"""What `predict` cannot segment; it needs no masks."""


def write(folder: Path) -> Path:
    """Write the folder of photographs and masks, and return its path."""
    root = folder / NAME
    images, masks = root / "images", root / "masks"
    for part in (images, masks):
        part.mkdir(parents=True)
    for seed in range(PLAIN):
        _put(images / f"IMG_{seed:04}.jpg", masks / f"IMG_{seed:04}.png", seed)
    _write_odd_names(images, masks)
    _write_broken(images, masks)
    return root


def _write_odd_names(images: Path, masks: Path) -> None:
    """What looks odd, and can be used all the same."""
    _put(images / "Nevus 01.JPG", masks / "Nevus 01_Mask.PNG", 101)
    accented = masks / unicodedata.normalize("NFD", "Läsion 2_lesion.png")
    _put(images / "Läsion 2.png", accented, 102, mode="RGBA")
    _put(images / "病変_3.tif", masks / "病変_3-mask.bmp", 103)
    _put(images / "gray 4.png", masks / "gray 4.png", 104, mode="L")
    _put(images / "healthy 5.png", masks / "healthy 5.png", 105, lesion=0)
    first = images / "IMG_0000.jpg"
    (images / "again 12.jpg").write_bytes(first.read_bytes())
    (masks / "again 12.png").write_bytes((masks / "IMG_0000.png").read_bytes())
    (images / "notes.txt").write_text("Ask Anna about number 6.\n", encoding="utf-8")
    (masks / "of a photograph that is gone.png").write_bytes((masks / "IMG_0001.png").read_bytes())


def _write_broken(images: Path, masks: Path) -> None:
    """What has to be corrected, or is left out."""
    _put(images / "cut 6.jpg", masks / "cut 6.png", 106)
    whole = (images / "cut 6.jpg").read_bytes()
    (images / "cut 6.jpg").write_bytes(whole[: len(whole) // 2])
    _put(images / "nothing 7.png", masks / "nothing 7.png", 107)
    (images / "nothing 7.png").write_bytes(b"")
    _put(images / "letter 8.jpg", masks / "letter 8.png", 108)
    (images / "letter 8.jpg").write_text("Dear colleague, ...", encoding="utf-8")
    _put(images / "no mask 9.jpg", None, 109)
    _put(images / "other size 10.png", masks / "other size 10.png", 110)
    with Image.open(masks / "other size 10.png") as mask:
        mask.resize((50, 40), Image.Resampling.NEAREST).save(masks / "other size 10.png")
    _put(images / "values 11.png", masks / "values 11.png", 111, lesion=2)
    _put(images / "twice 13.jpg", masks / "twice 13.png", 113)
    _put(images / "twice 13.png", None, 114)


def _put(image: Path, mask: Path | None, seed: int, mode: str = "RGB", lesion: int = 255) -> None:
    pixels, truth = synthetic_lesion(seed, (72, 96))
    _save(Image.fromarray(pixels).convert(mode), image)
    if mask is not None:
        _save(Image.fromarray(truth * np.uint8(lesion)), mask)


def _save(picture: Image.Image, path: Path) -> None:
    """Save by a name whose ending may be in capitals, or its letters in two characters."""
    kind = {".jpg": "JPEG", ".tif": "TIFF"}.get(path.suffix.lower(), path.suffix[1:].upper())
    stream = io.BytesIO()
    picture.save(stream, kind)
    path.write_bytes(stream.getvalue())
