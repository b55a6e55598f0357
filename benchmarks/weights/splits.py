"""Which images of ISIC 2017 a run learns from, and which ones it is scored on."""

import csv
import random
from pathlib import Path

from skinseg.data import ISIC2017, PairDataset, read_split


def images(split: str, folder: Path) -> tuple[PairDataset, PairDataset]:
    """Return the training images and the held-out images of a split.

    Training images that are near-identical to a held-out image are left out.

    Args:
        split: ``"official"`` (held out: the 150 validation images), ``"paper73"`` (the 650 test
            images), or ``"paper73_part"`` (a fifth of the training images of ``"paper73"``).
        folder: The ISIC 2017 folders, and ``splits`` with the lists of images.
    """
    if split == "official":
        learned, held_out = ISIC2017(folder, "train"), ISIC2017(folder, "val")
    else:
        everything = ISIC2017(folder, "train") + ISIC2017(folder, "val")
        lists = [folder / "splits" / f"paper73_{part}.txt" for part in ("train", "test")]
        learned, held_out = (everything.subset(read_split(path)) for path in lists)
        if split == "paper73_part":
            names = random.Random(0).sample(learned.ids, k=len(learned))
            part = len(names) // 5
            learned, held_out = learned.subset(names[part:]), learned.subset(names[:part])
    twins = _twins(folder / "splits" / "near_duplicates.csv", set(held_out.ids))
    return learned.subset([name for name in learned.ids if name not in twins]), held_out


def _twins(path: Path, held_out: set[str]) -> set[str]:
    """Names of the pictures that are near-identical to a held-out one."""
    with path.open(newline="") as file:
        pairs = [(row["id1"], row["id2"]) for row in csv.DictReader(file)]
    return {a for pair in pairs for a, b in (pair, pair[::-1]) if b in held_out}
