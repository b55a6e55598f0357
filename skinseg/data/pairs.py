"""Which mask belongs to which image, told by their file names."""

from collections.abc import Iterable
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
        id: The image's file name without suffix, such as `ISIC_0000000`.
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
    image_of: dict[str, Path] = {}
    for path in images:
        _add(image_of, path.stem, path, "images")
    mask_of: dict[str, Path] = {}
    stray = []
    for path in masks:
        stem = path.stem if path.stem in image_of else without_mask_suffix(path.stem)
        if stem in image_of:
            _add(mask_of, stem, path, "masks")
        else:
            stray.append(path)
    return [Pair(stem, path, mask_of.get(stem)) for stem, path in image_of.items()], stray


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
