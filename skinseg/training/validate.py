import dataclasses
from typing import Any

import torch
from torch import nn

from skinseg.data.levels import is_lesion
from skinseg.data.normalization import Normalization
from skinseg.logits import lesion_logits
from skinseg.losses import segmentation_loss
from skinseg.metrics import ConfusionCounts, SegmentationScores
from skinseg.training.memory_dataset import MemoryDataset


@dataclasses.dataclass(frozen=True)
class Validation:
    """What a network does on a data set: its scores, and its mean BCE + Dice loss."""

    scores: SegmentationScores
    loss: float

    def to_dict(self) -> dict[str, Any]:
        """Return scores and loss as JSON data."""
        return {**self.scores.to_dict(), "loss": self.loss}


@torch.inference_mode()
def validate(
    model: nn.Module,
    dataset: MemoryDataset,
    normalization: Normalization,
    *,
    batch_size: int = 8,
    threshold: float = 0.5,
) -> Validation:
    """Score a network's lesion masks on a data set in memory, at that data set's size.

    Args:
        model: Network with one output, or two; it is put in evaluation mode and back.
        dataset: Images and masks.
        normalization: How pixels become the input.
        batch_size: Images at once.
        threshold: Probability from which a pixel counts as lesion.

    Returns:
        Pooled and per-image scores, and the mean loss of the batches' images.
    """
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    counts, loss = ConfusionCounts(), 0.0
    batches = (torch.split(all_of, batch_size) for all_of in (dataset.images, dataset.masks))
    for images, masks in zip(*batches, strict=True):
        logits = lesion_logits(model(normalization(images.to(device))))
        lesion = is_lesion(masks.to(device))
        counts.update(logits.sigmoid() >= threshold, lesion)
        loss += len(images) * float(segmentation_loss(logits.float(), lesion.float()))
    model.train(training)
    return Validation(counts.scores(), loss / len(dataset))
