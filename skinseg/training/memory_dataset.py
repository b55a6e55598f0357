"""A data set decoded once: training reads it from memory, not from JPEG files."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from skinseg.data.datasets import SegmentationDataset
from skinseg.data.transforms import resize_images, resize_masks


class MemoryDataset:
    """All images and masks of a data set at one size, as two tensors.

    Attributes:
        ids: Names of the samples.
        images: uint8 (N, 3, size, size).
        masks: bool (N, 1, size, size).
    """

    def __init__(self, dataset: SegmentationDataset, size: int, *, progress: bool = True) -> None:
        """Decode and resize.

        Args:
            dataset: Where the samples come from.
            size: Side of the square that they are resized to.
            progress: Show a progress bar.

        Raises:
            ValueError: If the data set is empty.
        """
        if not len(dataset):
            raise ValueError("the data set has no images")
        self.ids = list(dataset.ids)
        self.images = torch.empty(len(dataset), 3, size, size, dtype=torch.uint8)
        self.masks = torch.empty(len(dataset), 1, size, size, dtype=torch.bool)

        def load(index: int) -> None:
            sample = dataset[index]
            image = torch.from_numpy(np.ascontiguousarray(sample.image)).permute(2, 0, 1)[None]
            mask = torch.from_numpy(np.ascontiguousarray(sample.mask))[None, None]
            self.images[index] = resize_images(image, (size, size))[0]
            self.masks[index] = resize_masks(mask, (size, size))[0]

        with ThreadPoolExecutor() as pool:
            done = pool.map(load, range(len(dataset)))
            console = Console(stderr=True)
            for _ in track(done, "decoding", len(dataset), console=console, disable=not progress):
                pass

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, order: Sequence[int], batch_size: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield (images, masks) of ``batch_size`` samples in the given order."""
        for start in range(0, len(order), batch_size):
            chosen = torch.as_tensor(order[start : start + batch_size])
            yield self.images[chosen], self.masks[chosen]
