"""A plain folder of image and mask files."""

import os
from pathlib import Path

from skinseg.data.datasets import PairDataset
from skinseg.data.images import list_images
from skinseg.data.pairs import MASK_SUFFIXES, DatasetError, pair_by_stem, without_mask_suffix
from skinseg.formatting import counted


class FolderDataset(PairDataset):
    """Your own images with masks, in one of three layouts.

    - `root/images/x.jpg` and `root/masks/x.png`;
    - two folders, given as `root` (images) and `masks`;
    - one folder with `root/x.jpg` and `root/x_mask.png`.

    In each, a mask is called as its image, with or without (in one folder: with) one of the
    endings `_mask`, `-mask`, `_segmentation` and `_lesion`, in small or capital letters. The rest
    of the name must agree to the letter. Folders below are not searched.

    Args:
        root: The folder.
        masks: The folder of the masks, if they are elsewhere.

    Raises:
        DatasetError: A folder is not there, holds no images or no masks, or two images share a
            name, or an image has two masks.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from skinseg.data import write_png
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_png(f"{folder}/x.png", np.zeros((4, 4, 3), np.uint8))
        ...     write_png(f"{folder}/x_mask.png", np.eye(4, dtype=bool))
        ...     sample = FolderDataset(folder)[0]
        >>> sample.id, sample.image.shape, int(sample.mask.sum())
        ('x', (4, 4, 3), 4)
    """

    def __init__(
        self, root: str | os.PathLike[str], masks: str | os.PathLike[str] | None = None
    ) -> None:
        root = Path(root)
        _require_folder(root)
        if masks is not None:
            image_folder, mask_folder = root, Path(masks)
        elif (root / "images").is_dir() or (root / "masks").is_dir():
            image_folder, mask_folder = root / "images", root / "masks"
        else:
            image_folder = mask_folder = root
        _require_folder(image_folder)
        _require_folder(mask_folder)
        if image_folder.samefile(mask_folder):
            image_files, mask_files = _told_apart(list_images(root))
        else:
            image_files, mask_files = list_images(image_folder), list_images(mask_folder)
        pairs, stray_masks = pair_by_stem(image_files, mask_files)
        if not pairs:
            raise DatasetError(f"No images in '{image_folder}'. {_expected(root)}")
        if all(pair.mask is None for pair in pairs):
            raise DatasetError(
                f"No masks in '{mask_folder}' for the {counted(len(pairs), 'image')} of "
                f"'{image_folder}'. {_expected(root)}"
            )
        super().__init__(pairs, stray_masks)


def _told_apart(files: list[Path]) -> tuple[list[Path], list[Path]]:
    """Images and masks of one folder.

    A name that ends as a mask's is a mask, unless it has a mask itself (`nevus_lesion.jpg`
    beside `nevus_lesion_mask.png`).
    """
    stems = {path.stem for path in files}
    suffixed = {stem for stem in stems if without_mask_suffix(stem) != stem}
    with_mask = {without_mask_suffix(stem) for stem in suffixed} & stems
    masks = {s for s in suffixed if without_mask_suffix(s) in stems or s not in with_mask}
    return (
        [path for path in files if path.stem not in masks],
        [path for path in files if path.stem in masks],
    )


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise DatasetError(f"No folder '{folder}'. {_expected(folder)}")


def _expected(root: Path) -> str:
    endings = ", ".join(f"'{suffix}'" for suffix in MASK_SUFFIXES)
    return (
        f"Expected is 'images/x.jpg' with 'masks/x.png' below '{root}', or two folders "
        f"FolderDataset(images, masks), or 'x.jpg' beside 'x_mask.png' (endings: {endings})."
    )
