"""Synthetic pictures as a data set."""

import copy
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from skinseg.data.datasets import Sample, SegmentationDataset
from skinseg.data.pairs import DatasetError
from skinseg.data.synthetic.scene import synthetic_lesion

if TYPE_CHECKING:
    from typing_extensions import Self


class SyntheticDermoscopy(SegmentationDataset):
    """Synthetic dermoscopy, made when asked for; no files.

    Args:
        length: The number of samples.
        size: The side of the square pictures, or `(H, W)`, in pixels.
        seed: The first sample's picture is `synthetic_lesion(seed)`, the next one's that of
            `seed + 1`, and so on.

    Attributes:
        ids: `synthetic_` and the seed of each picture.

    Raises:
        DatasetError: `length` is less than 1.

    Example:
        >>> dataset = SyntheticDermoscopy(2, size=64, seed=10)
        >>> dataset[1].id, dataset[1].image.shape
        ('synthetic_11', (64, 64, 3))
    """

    def __init__(self, length: int, size: int | tuple[int, int] = 256, seed: int = 0) -> None:
        if length < 1:
            raise DatasetError(f"length={length} makes no data set. Give 1 or more.")
        self.size = size
        self._seeds = list(range(seed, seed + length))
        self.ids = [f"synthetic_{number}" for number in self._seeds]

    def __getitem__(self, index: int) -> Sample:
        """Make one sample.

        Raises:
            IndexError: There is no such sample.
        """
        image, mask = synthetic_lesion(self._seeds[operator.index(index)], self.size)
        return Sample(self.ids[index], image, mask)

    def image_path(self, index: int) -> Path | None:
        """`None`: the picture is no file."""
        self._seeds[index]
        return None

    def mask_path(self, index: int) -> Path | None:
        """`None`: the mask is no file."""
        self._seeds[index]
        return None

    def _select(self, indices: Sequence[int]) -> "Self":
        chosen = copy.copy(self)
        chosen._seeds = [self._seeds[index] for index in indices]
        chosen.ids = [self.ids[index] for index in indices]
        return chosen
