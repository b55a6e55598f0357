"""Images with pseudo-labels, which only the teachers have outlined, as a data set."""

from collections.abc import Sequence

import torch

from skinseg.data import Sample, SegmentationDataset


class MixupDataset(SegmentationDataset):
    """Mixup of two training images each, with the teachers' masks; see ``teachers.py``.

    Args:
        tensors: ``images``, uint8 (N, 3, H, W), and ``probability``, uint8 (N, 1, H, W).
    """

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self._images, self._probability = tensors["images"], tensors["probability"]
        self.ids = [f"blend{index}" for index in range(len(self._images))]

    def __getitem__(self, index: int) -> Sample:
        """Return a mixed image with the teachers' mask."""
        image = self._images[index].permute(1, 2, 0).numpy()
        return Sample(self.ids[index], image, self._probability[index, 0].numpy() > 127)

    def soft_masks(self) -> dict[str, torch.Tensor]:
        """Return the teachers' probabilities times 255, by name."""
        return dict(zip(self.ids, self._probability[:, 0], strict=True))

    def image_path(self, index: int) -> None:
        """Mixed images are not files."""

    def mask_path(self, index: int) -> None:
        """Mixed images are not files."""

    def _select(self, indices: Sequence[int]) -> "MixupDataset":
        rows = list(indices)
        return MixupDataset({"images": self._images[rows], "probability": self._probability[rows]})


class ConcatDataset(SegmentationDataset):
    """The samples of one data set, then those of another."""

    def __init__(self, first: SegmentationDataset, second: SegmentationDataset) -> None:
        self._first, self._second = first, second
        self.ids = [*first.ids, *second.ids]

    def __getitem__(self, index: int) -> Sample:
        """Return a sample of the first data set, or of the second one after it."""
        if index < len(self._first):
            return self._first[index]
        return self._second[index - len(self._first)]

    def image_path(self, index: int) -> None:
        """Not needed for training."""

    def mask_path(self, index: int) -> None:
        """Not needed for training."""

    def _select(self, indices: Sequence[int]) -> "ConcatDataset":
        raise NotImplementedError("select before joining")
