"""Which images of ISIC 2017 a run is trained on, and which ones it is scored on."""

import csv
import random
from pathlib import Path

from skinseg.data import (
    ISIC2017,
    PairDataset,
    SegmentationDataset,
    SyntheticDermoscopy,
    read_split,
)

RENDERED_IMAGES = 1200


def open_split(split: str, folder: Path) -> tuple[SegmentationDataset, PairDataset]:
    """Return the training images and the held-out images of a split.

    Training images that are near-identical to a held-out image are left out.

    Args:
        split: ``"official"`` (held out: the 150 validation images), ``"paper73"`` (the 650 test
            images), ``"paper73_part"`` (a fifth of the training images of ``"paper73"``), or
            ``"rendered"`` (the same fifth; trained on is nothing but rendered pictures).
        folder: The ISIC 2017 folders, and ``splits`` with the lists of images.
    """
    if split == "rendered":
        return SyntheticDermoscopy(RENDERED_IMAGES), open_split("paper73_part", folder)[1]
    if split == "official":
        train_set, held_out = ISIC2017(folder, "train"), ISIC2017(folder, "val")
    else:
        everything = ISIC2017(folder, "train") + ISIC2017(folder, "val")
        lists = [folder / "splits" / f"paper73_{part}.txt" for part in ("train", "test")]
        train_set, held_out = (everything.subset(read_split(path)) for path in lists)
        if split == "paper73_part":
            names = random.Random(0).sample(train_set.ids, k=len(train_set))
            part = len(names) // 5
            train_set, held_out = train_set.subset(names[part:]), train_set.subset(names[:part])
    duplicates = _near_duplicates(folder / "splits" / "near_duplicates.csv", set(held_out.ids))
    return train_set.subset([name for name in train_set.ids if name not in duplicates]), held_out


def _near_duplicates(path: Path, held_out: set[str]) -> set[str]:
    """Names of the images that are near-identical to a held-out one."""
    with path.open(newline="") as file:
        pairs = [(row["id1"], row["id2"]) for row in csv.DictReader(file)]
    return {a for pair in pairs for a, b in (pair, pair[::-1]) if b in held_out}
