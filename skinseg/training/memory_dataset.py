"""A data set decoded once: training reads it from memory, not from JPEG files."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import torch

from skinseg.data.datasets import SegmentationDataset
from skinseg.data.transforms import resize_images, resize_sample
from skinseg.formatting import counted
from skinseg.progress import progress_bar


class MemoryDataset:
    """All images and masks of a data set at one size, as two tensors.

    Attributes:
        ids: Names of the samples.
        images: uint8 (N, 3, size, size).
        masks: uint8 (N, 1, size, size): 0 is skin, 255 lesion, between them where masks are soft.
    """

    def __init__(
        self,
        dataset: SegmentationDataset,
        size: int,
        *,
        soft_masks: Mapping[str, torch.Tensor] | None = None,
        soft_weight: float = 0.0,
        device: str | torch.device = "cpu",
        progress: bool = True,
    ) -> None:
        """Decode and resize.

        Args:
            dataset: Where the samples come from.
            size: Side of the square that they are resized to.
            soft_masks: For samples' names, uint8 (H, W): 255 times a teacher's lesion probability.
            soft_weight: Weight of the teacher's mask in the target, 0..1.
            device: Where the tensors are kept.
            progress: Show a progress bar.

        Raises:
            ValueError: If the data set is empty, or a teacher has not seen one of its samples.
        """
        if not len(dataset):
            raise ValueError("the data set has no images")
        self.ids = list(dataset.ids)
        teacher = soft_masks or {}
        missing = set(self.ids) - set(teacher) if soft_weight else set()
        if missing:
            raise ValueError(
                f"{counted(len(missing), 'image')} without a soft mask of the teacher, "
                f"{min(missing)} among them"
            )
        images = torch.empty(len(dataset), 3, size, size, dtype=torch.uint8)
        masks = torch.empty(len(dataset), 1, size, size, dtype=torch.uint8)

        def load(index: int) -> None:
            sample = dataset[index]
            image, mask = resize_sample(sample.image, sample.mask, (size, size))
            images[index] = image[0]
            target = mask[0] * 255.0
            if soft_weight:
                soft = resize_images(teacher[sample.id][None, None], (size, size))[0]
                target.lerp_(soft.float(), soft_weight).round_()
            masks[index] = target.to(torch.uint8)

        with ThreadPoolExecutor() as pool:
            done = pool.map(load, range(len(dataset)))
            with progress_bar(shown=progress) as bar:
                for _ in bar.track(done, len(dataset), description="decoding"):
                    pass
        self.images, self.masks = images.to(device), masks.to(device)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.images.device
