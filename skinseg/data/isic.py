"""The lesion segmentation task (task 1) of the ISIC challenges, laid out as downloaded."""

import os
from pathlib import Path
from typing import Literal

from skinseg.data.datasets import PairDataset
from skinseg.data.listing import list_images
from skinseg.data.pairs import DatasetError, Pair, pair_by_stem

# For each split the folder of the images and the folder of the masks.
_ISIC_2016 = {
    "train": ("ISBI2016_ISIC_Part1_Training_Data", "ISBI2016_ISIC_Part1_Training_GroundTruth"),
    "test": ("ISBI2016_ISIC_Part1_Test_Data", "ISBI2016_ISIC_Part1_Test_GroundTruth"),
}
_ISIC_2017 = {
    "train": ("ISIC-2017_Training_Data", "ISIC-2017_Training_Part1_GroundTruth"),
    "val": ("ISIC-2017_Validation_Data", "ISIC-2017_Validation_Part1_GroundTruth"),
    "test": ("ISIC-2017_Test_v2_Data", "ISIC-2017_Test_v2_Part1_GroundTruth"),
}
_ISIC_2018 = {
    "train": ("ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"),
    "val": ("ISIC2018_Task1-2_Validation_Input", "ISIC2018_Task1_Validation_GroundTruth"),
    "test": ("ISIC2018_Task1-2_Test_Input", "ISIC2018_Task1_Test_GroundTruth"),
}


class ISIC2016(PairDataset):
    """ISIC 2016, part 1: 900 training and 379 test images.

    Args:
        root: The folder that the official archives were unpacked into; it holds
            `ISBI2016_ISIC_Part1_Training_Data/ISIC_0000000.jpg` and
            `ISBI2016_ISIC_Part1_Training_GroundTruth/ISIC_0000000_Segmentation.png`, ...
        split: `"train"` or `"test"`.

    Raises:
        DatasetError: `split` is unknown, or the folders of the split are not there or empty.

    Example:
        >>> ISIC2016("no/such/folder")
        Traceback (most recent call last):
            ...
        skinseg.data.pairs.DatasetError: ISIC 2016, split 'train': no folder ...
    """

    def __init__(
        self, root: str | os.PathLike[str], split: Literal["train", "test"] = "train"
    ) -> None:
        super().__init__(*_official_pairs("ISIC 2016", _ISIC_2016, root, split))


class ISIC2017(PairDataset):
    """ISIC 2017, part 1: 2,000 training, 150 validation and 600 test images.

    The superpixel files among the official images are left out.

    Args:
        root: The folder that the official archives were unpacked into; it holds
            `ISIC-2017_Training_Data/ISIC_0000000.jpg` and
            `ISIC-2017_Training_Part1_GroundTruth/ISIC_0000000_segmentation.png`, ...
        split: `"train"`, `"val"` or `"test"`.

    Raises:
        DatasetError: `split` is unknown, or the folders of the split are not there or empty.

    Example:
        >>> ISIC2017("no/such/folder", "val")
        Traceback (most recent call last):
            ...
        skinseg.data.pairs.DatasetError: ISIC 2017, split 'val': no folder ...
    """

    def __init__(
        self, root: str | os.PathLike[str], split: Literal["train", "val", "test"] = "train"
    ) -> None:
        super().__init__(*_official_pairs("ISIC 2017", _ISIC_2017, root, split))


class ISIC2018(PairDataset):
    """ISIC 2018, task 1: 2,594 training, 100 validation and 1,000 test images.

    Args:
        root: The folder that the official archives were unpacked into; it holds
            `ISIC2018_Task1-2_Training_Input/ISIC_0000000.jpg` and
            `ISIC2018_Task1_Training_GroundTruth/ISIC_0000000_segmentation.png`, ...
        split: `"train"`, `"val"` or `"test"`.

    Raises:
        DatasetError: `split` is unknown, or the folders of the split are not there or empty.

    Example:
        >>> ISIC2018("no/such/folder", "test")
        Traceback (most recent call last):
            ...
        skinseg.data.pairs.DatasetError: ISIC 2018, split 'test': no folder ...
    """

    def __init__(
        self, root: str | os.PathLike[str], split: Literal["train", "val", "test"] = "train"
    ) -> None:
        super().__init__(*_official_pairs("ISIC 2018", _ISIC_2018, root, split))


def _official_pairs(
    challenge: str,
    folders: dict[str, tuple[str, str]],
    root: str | os.PathLike[str],
    split: str,
) -> tuple[list[Pair], list[Path]]:
    if split not in folders:
        raise DatasetError(f"{challenge} has no split {split!r}. Choose from {', '.join(folders)}.")
    image_folder, mask_folder = (Path(root, name) for name in folders[split])

    def complain(problem: str) -> DatasetError:
        return DatasetError(
            f"{challenge}, split {split!r}: {problem}. Expected are images as "
            f"'{image_folder / 'ISIC_0000000.jpg'}' and masks as "
            f"'{mask_folder / 'ISIC_0000000_segmentation.png'}': give as root the folder that the "
            "official archives were unpacked into."
        )

    for folder in (image_folder, mask_folder):
        if not folder.is_dir():
            raise complain(f"no folder '{folder}'")
    images = [
        path for path in list_images(image_folder) if not path.stem.lower().endswith("_superpixels")
    ]
    pairs, stray_masks = pair_by_stem(images, list_images(mask_folder))
    if not pairs:
        raise complain(f"no images in '{image_folder}'")
    if all(pair.mask is None for pair in pairs):
        raise complain(f"no masks for the images in '{mask_folder}'")
    return pairs, stray_masks
