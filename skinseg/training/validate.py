import torch
from torch import nn

from skinseg.data.normalization import Normalization
from skinseg.metrics import ConfusionCounts, SegmentationScores
from skinseg.training.memory_dataset import MemoryDataset


@torch.inference_mode()
def validate(
    model: nn.Module,
    dataset: MemoryDataset,
    normalization: Normalization,
    *,
    batch_size: int = 8,
    threshold: float = 0.5,
) -> SegmentationScores:
    """Score a network's lesion masks on a data set in memory, at that data set's size.

    Args:
        model: Network with one output; it is put in evaluation mode and back.
        dataset: Images and masks.
        normalization: How pixels become the input.
        batch_size: Images at once.
        threshold: Probability from which a pixel counts as lesion.

    Returns:
        Pooled and per-image scores.
    """
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    counts = ConfusionCounts()
    for images, masks in dataset.batches(range(len(dataset)), batch_size):
        logits = model(normalization(images.to(device)))
        counts.update(logits.sigmoid() >= threshold, masks.to(device))
    model.train(training)
    return counts.scores()
