"""A plain folder of image and mask files."""

import os
from pathlib import Path

from skinseg.data.datasets import PairDataset
from skinseg.data.layout import expected, find_folders, require_folder
from skinseg.data.listing import list_images
from skinseg.data.pairs import DatasetError, name_of, pair_by_name, without_mask_suffix
from skinseg.formatting import counted


class FolderDataset(PairDataset):
    """Your own images with masks, in one of three layouts.

    - `root/images/x.jpg` and `root/masks/x.png`, also as `Images` and `Masks`;
    - two folders, given as `root` (images) and `masks`;
    - one folder with `root/x.jpg` and `root/x_mask.png`.

    In each, a mask is called as its image, with or without (in one folder: with) one of the
    endings `_mask`, `-mask`, `_segmentation` and `_lesion`, in small or capital letters. The rest
    of the name must agree to the letter; an accented letter may be one character or two.

    Folders below the images and the masks are searched, too. A sample of `images/anna/x.jpg` is
    called `anna/x`, and its mask is `masks/anna/x.png`, or `masks/x.png` if there is only one `x`;
    that of `images/x.jpg` may be in any folder of the masks.
    In one folder, those below are searched only where it holds no image itself, and a mask lies
    beside its image. A folder may be in a zip archive, as `data.zip/lesions`, or be the archive.

    Args:
        root: The folder.
        masks: The folder of the masks, if they are elsewhere.

    Raises:
        DatasetError: A folder is not there, holds no images or no masks or several data sets, or
            two images share a name, or an image has two masks.
        ImageError: An archive cannot be read.

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
        require_folder(root)
        image_folder, mask_folder = find_folders(root) if masks is None else (root, Path(masks))
        require_folder(image_folder)
        require_folder(mask_folder)
        if os.path.realpath(image_folder) == os.path.realpath(mask_folder):
            files = list_images(image_folder) or list_images(image_folder, recursive=True)
            image_files, mask_files = _told_apart(files, image_folder)
        else:
            image_files = _files(image_folder, mask_folder)
            mask_files = _files(mask_folder, image_folder)
        pairs, stray_masks = pair_by_name(image_files, mask_files, image_folder, mask_folder)
        if not pairs:
            raise DatasetError(f"No images in '{image_folder}'. {expected(root)}")
        if all(pair.mask is None for pair in pairs):
            raise DatasetError(
                f"No masks in '{mask_folder}' for the {counted(len(pairs), 'image')} of "
                f"'{image_folder}'. {expected(root)}"
            )
        super().__init__(pairs, stray_masks)


def _files(folder: Path, other: Path) -> list[Path]:
    """All images of a folder, without those of another that may be in it."""
    files, inner = list_images(folder, recursive=True), other.resolve()
    if folder.resolve() not in inner.parents:
        return files
    # A file may be a link to elsewhere; where its name is counts.
    return [path for path in files if not path.parent.resolve().is_relative_to(inner)]


def _told_apart(files: list[Path], root: Path) -> tuple[list[Path], list[Path]]:
    """Images and masks of one folder.

    A name that ends as a mask's is a mask, unless it has a mask itself (`nevus_lesion.jpg`
    beside `nevus_lesion_mask.png`).
    """
    names = {name_of(path, root) for path in files}
    suffixed = {name for name in names if without_mask_suffix(name) != name}
    with_mask = {without_mask_suffix(name) for name in suffixed} & names
    masks = {s for s in suffixed if without_mask_suffix(s) in names or s not in with_mask}
    return (
        [path for path in files if name_of(path, root) not in masks],
        [path for path in files if name_of(path, root) in masks],
    )
