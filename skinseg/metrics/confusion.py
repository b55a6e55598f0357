"""Scores collected batch by batch, as the trainer and the weight records have them."""

import dataclasses

import torch

from skinseg.metrics.overlap import overlap_scores


@dataclasses.dataclass(frozen=True)
class SegmentationScores:
    """Scores in 0..1.

    Attributes:
        pooled_iou: Lesion IoU of one confusion matrix over all pixels of all images; what MALUNet
            and EGE-UNet call mIoU.
        pooled_dice: Lesion Dice of the same matrix.
        accuracy: Fraction of correct pixels.
        sensitivity: Fraction of the lesions' pixels that were found.
        specificity: Fraction of the skin's pixels that were left out.
        mean_iou: Lesion IoU of each image, averaged; 1 where both masks are empty.
        mean_dice: Lesion Dice of each image, averaged; 1 where both masks are empty.
        images: Number of images.
    """

    pooled_iou: float
    pooled_dice: float
    accuracy: float
    sensitivity: float
    specificity: float
    mean_iou: float
    mean_dice: float
    images: int

    def to_dict(self) -> dict[str, float]:
        """Return the scores by name."""
        return dataclasses.asdict(self)


class ConfusionCounts:
    """Collects the four counts of each image, from batches of masks.

    Example:
        >>> counts = ConfusionCounts()
        >>> truth = torch.tensor([[[[True, False], [True, False]]]])
        >>> counts.update(torch.tensor([[[[True, True], [True, False]]]]), truth)
        >>> round(counts.scores().pooled_iou, 3)
        0.667
    """

    def __init__(self) -> None:
        self._batches: list[torch.Tensor] = []

    def update(self, predicted: torch.Tensor, truth: torch.Tensor) -> None:
        """Add a batch of bool masks (B, 1, H, W), or (B, H, W).

        Raises:
            ValueError: If the shapes differ, or are others than these.
            TypeError: If one of them is not bool.
        """
        if predicted.shape != truth.shape:
            raise ValueError(
                f"predicted masks are {tuple(predicted.shape)}, true ones {tuple(truth.shape)}"
            )
        if predicted.dtype != torch.bool or truth.dtype != torch.bool:
            raise TypeError(
                f"masks must be bool, not {predicted.dtype} and {truth.dtype}; threshold them"
            )
        shape = tuple(truth.shape)
        if not (len(shape) == 3 or (len(shape) == 4 and shape[1] == 1)):
            raise ValueError(
                f"masks must be (B, 1, H, W) or (B, H, W), not {shape}; of a single mask give "
                "mask[None], and count classes one at a time"
            )
        p, t = predicted.flatten(1), truth.flatten(1)
        counts = [(p & t).sum(1), (p & ~t).sum(1), (~p & t).sum(1), (~p & ~t).sum(1)]
        self._batches.append(torch.stack(counts, dim=1).cpu())

    def scores(self) -> SegmentationScores:
        """Return the scores of all images so far.

        Raises:
            ValueError: If there are none.
        """
        per_image = torch.cat([torch.empty(0, 4, dtype=torch.int64), *self._batches])
        if not len(per_image):
            raise ValueError("no image has been scored")
        each = overlap_scores(per_image.numpy())
        pooled = overlap_scores(per_image.sum(0).numpy())
        return SegmentationScores(
            pooled_iou=float(pooled["iou"]),
            pooled_dice=float(pooled["dice"]),
            accuracy=float(pooled["accuracy"]),
            sensitivity=float(pooled["sensitivity"]),
            specificity=float(pooled["specificity"]),
            # torch's sum, as NumPy's may differ in the last digit of scores that are on record.
            mean_iou=torch.from_numpy(each["iou"]).mean().item(),
            mean_dice=torch.from_numpy(each["dice"]).mean().item(),
            images=len(per_image),
        )
