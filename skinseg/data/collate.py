"""Samples of any sizes, as one batch for a network."""

import dataclasses
from collections.abc import Sequence

import torch

from skinseg.data.datasets import Sample
from skinseg.data.normalization import Normalization
from skinseg.data.transforms import resize_sample


@dataclasses.dataclass(frozen=True)
class Collate:
    """Makes a batch of samples; the ``collate_fn`` of PyTorch's ``DataLoader``.

    Attributes:
        size: (height, width) that images and masks are resized to; an int for a square.
        normalization: How pixels become the input. That of trained weights is in their record:
            ``Normalization.from_dict(network.pretrained_cfg.normalization)``.

    Example:
        >>> from torch.utils.data import DataLoader
        >>> from skinseg.data import SyntheticDermoscopy
        >>> dataset = SyntheticDermoscopy(4, size=(90, 120))
        >>> loader = DataLoader(dataset, batch_size=4, collate_fn=Collate(64))
        >>> images, masks = next(iter(loader))
        >>> images.shape, masks.shape, masks.unique()
        (torch.Size([4, 3, 64, 64]), torch.Size([4, 1, 64, 64]), tensor([0., 1.]))
    """

    size: int | tuple[int, int] = 256
    normalization: Normalization = dataclasses.field(default_factory=Normalization)

    def __call__(self, samples: Sequence[Sample]) -> tuple[torch.Tensor, torch.Tensor]:
        """Resize and normalize the images, and resize the masks.

        Args:
            samples: At least one.

        Returns:
            Images, float32 (B, 3, H, W); masks, float32 (B, 1, H, W), 1 is lesion.
        """
        size = (self.size, self.size) if isinstance(self.size, int) else self.size
        resized = [resize_sample(sample.image, sample.mask, size) for sample in samples]
        images, masks = zip(*resized, strict=True)
        inputs: torch.Tensor = self.normalization(torch.cat(images))
        return inputs, torch.cat(masks).float()
