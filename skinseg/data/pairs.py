"""Which mask belongs to which image, told by their file names."""

import unicodedata
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path

MASK_SUFFIXES = ("_segmentation", "_lesion", "_mask", "-mask")
"""What may follow the image's name in the name of its mask; capitals make no difference."""


class DatasetError(ValueError):
    """A data set is not laid out as it should be; the message names the place and a remedy."""


class BrokenDatasetError(DatasetError):
    """Files of a data set cannot be used as they are; the message names them."""


@dataclass(frozen=True)
class Pair:
    """An image file and its lesion mask.

    Attributes:
        id: The image's file name without suffix, such as `ISIC_0000000`, after the folders that
            it is in, such as `anna/nevus_01`.
        image: The image file.
        mask: The mask file; `None` if there is none.
    """

    id: str
    image: Path
    mask: Path | None


def pair_by_stem(images: Iterable[Path], masks: Iterable[Path]) -> tuple[list[Pair], list[Path]]:
    """Find the mask of each image: `x.png`, `x_mask.png`, `x_Segmentation.png`, ... for `x.jpg`.

    Args:
        images: Image files.
        masks: Mask files.

    Returns:
        The pairs in the order of `images`, and the masks that belong to none of them.

    Raises:
        DatasetError: Two images have the same stem, or an image has two masks.

    Example:
        >>> pairs, stray = pair_by_stem([Path("x.jpg")], [Path("x_Mask.png"), Path("y.png")])
        >>> pairs[0].mask.name, [path.name for path in stray]
        ('x_Mask.png', ['y.png'])
    """
    return pair_by_name(images, masks, None, None)


def pair_by_name(
    images: Iterable[Path],
    masks: Iterable[Path],
    image_folder: Path | None,
    mask_folder: Path | None,
) -> tuple[list[Pair], list[Path]]:
    """Find the mask of each image, by the names below their folders, or else by the file's alone.

    The file's name alone counts where one of the two is in no folder: `anna/x` is never the mask of
    `bert/x`. Of one folder with both, a mask is beside its image: folders in it may be parts of a
    split.

    Args:
        images: Image files.
        masks: Mask files.
        image_folder: What the images' names begin below; None for names without folders.
        mask_folder: The same for the masks.

    Returns:
        As :func:`pair_by_stem`.

    Raises:
        DatasetError: Two images have the same name, or an image has two masks.

    Example:
        >>> images = [Path("images/anna/x.jpg"), Path("images/bert/y.jpg")]
        >>> masks = [Path("masks/anna/x.png"), Path("masks/y.png")]
        >>> pairs, stray = pair_by_name(images, masks, Path("images"), Path("masks"))
        >>> [(pair.id, str(pair.mask)) for pair in pairs]
        [('anna/x', 'masks/anna/x.png'), ('bert/y', 'masks/y.png')]
    """
    image_of: dict[str, Path] = {}
    for path in images:
        _add(image_of, name_of(path, image_folder), path, "images")
    mask_of: dict[str, Path] = {}
    left = []
    for path in masks:
        name = _image_name(name_of(path, mask_folder), image_of)
        if name is None:
            left.append(path)
        else:
            _add(mask_of, name, path, "masks")
    by_stem: dict[str, list[str]] = {}
    for name in image_of if image_folder != mask_folder else ():
        by_stem.setdefault(name.rpartition("/")[2], []).append(name)
    stray = []
    for path in left:
        stem = _image_name(name_of(path, None), by_stem)
        names = [] if stem is None else by_stem[stem]
        if len(names) == 1 and not ("/" in names[0] and "/" in name_of(path, mask_folder)):
            _add(mask_of, names[0], path, "masks")
        else:
            stray.append(path)
    return [Pair(name, path, mask_of.get(name)) for name, path in image_of.items()], stray


def name_of(path: Path, folder: Path | None) -> str:
    """A file's name below a folder, without suffix; accents are part of their letters.

    macOS writes an accented letter as two characters, other systems as one.

    Example:
        >>> name_of(Path("images/anna/x.jpg"), Path("images")), name_of(Path("a/x.jpg"), None)
        ('anna/x', 'x')
    """
    place = path.relative_to(folder).with_suffix("").as_posix() if folder else path.stem
    return composed(place)


def composed(text: str) -> str:
    """Text in Unicode's form NFC, in which an accented letter is one character.

    Example:
        >>> len("e\u0301"), len(composed("e\u0301"))
        (2, 1)
    """
    return unicodedata.normalize("NFC", text)


def _image_name(mask: str, images: Container[str]) -> str | None:
    """The name of the image that a mask of this name belongs to, if there is one."""
    candidates = (mask, without_mask_suffix(mask))
    return next((name for name in candidates if name in images), None)


def without_mask_suffix(stem: str) -> str:
    """The name of the image that a mask of this name belongs to; without suffix the name itself.

    Example:
        >>> without_mask_suffix("ISIC_0000000_Segmentation")
        'ISIC_0000000'
    """
    for suffix in MASK_SUFFIXES:
        if stem.lower().endswith(suffix):
            return stem[: -len(suffix)]
    return stem


def _add(found: dict[str, Path], stem: str, path: Path, kind: str) -> None:
    if stem in found:
        raise DatasetError(
            f"Two {kind} for '{stem}': '{found[stem]}' and '{path}'. Remove or rename one; a mask "
            f"beside its image must be called '{stem}_mask.png'."
        )
    found[stem] = path
