"""Training images with defects, as a data set."""

import random
from collections.abc import Sequence

from skinseg.data import Sample, SegmentationDataset
from skinseg.data.corruptions import SEVERITIES, corrupt, list_corruptions


class CorruptedDataset(SegmentationDataset):
    """The samples of a data set, each with one defect that stays the same; the masks are theirs.

    Args:
        dataset: Where the samples come from.
        seed: Which kind of defect an image has, and how bad it is.
    """

    def __init__(self, dataset: SegmentationDataset, seed: int = 0) -> None:
        self._dataset, self._seed = dataset, seed
        self.ids = [f"{name}_corrupted" for name in dataset.ids]

    def __getitem__(self, index: int) -> Sample:
        """Return a sample with a defect."""
        sample = self._dataset[index]
        draw = random.Random(f"{self._seed} {sample.id}")
        kind, severity = draw.choice(list_corruptions()), draw.choice(SEVERITIES)
        image = corrupt(sample.image, kind, severity, seed=draw.randrange(2**31))
        return Sample(self.ids[index], image, sample.mask)

    def image_path(self, index: int) -> None:
        """Images with defects are not files."""

    def mask_path(self, index: int) -> None:
        """Not needed for training."""

    def _select(self, indices: Sequence[int]) -> "CorruptedDataset":
        chosen = self._dataset.subset([self._dataset.ids[index] for index in indices])
        return CorruptedDataset(chosen, self._seed)
