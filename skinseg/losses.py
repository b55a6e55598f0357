"""Losses for lesion segmentation, on logits."""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

# EGE-UNet's weights of the auxiliary outputs, coarsest first (arXiv 2307.08473, Section 2).
AUX_WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5)


def dice_loss(
    logits: torch.Tensor, target: torch.Tensor, *, smooth: float = 1.0, per_image: bool = True
) -> torch.Tensor:
    """One minus the soft Dice coefficient of each image, averaged over the batch.

    Args:
        logits: (B, 1, H, W).
        target: (B, 1, H, W), 0 or 1, floating point.
        smooth: Added to numerator and denominator; it makes two empty masks agree.
        per_image: Whether each image has a coefficient of its own, as in the papers, or the batch
            has one, in which large lesions count for more, as they do in pooled scores.

    Returns:
        A scalar in 0..1.

    Example:
        >>> target = torch.ones(2, 1, 4, 4)
        >>> bool(dice_loss(target * 20, target) < 1e-3)
        True
    """
    rows = len(logits) if per_image else 1
    probability, target = logits.sigmoid().reshape(rows, -1), target.reshape(rows, -1)
    overlap = (probability * target).sum(1)
    total = probability.sum(1) + target.sum(1)
    return 1 - ((2 * overlap + smooth) / (total + smooth)).mean()


def bce_dice_loss(
    logits: torch.Tensor, target: torch.Tensor, *, per_image: bool = True
) -> torch.Tensor:
    """Binary cross entropy plus Dice loss: the loss of MALUNet and EGE-UNet.

    Args:
        logits: (B, 1, H, W).
        target: (B, 1, H, W), 0 or 1, floating point.
        per_image: As in :func:`dice_loss`.

    Returns:
        A scalar.

    Example:
        >>> float(bce_dice_loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2))) > 0.69
        True
    """
    entropy = F.binary_cross_entropy_with_logits(logits, target)
    return entropy + dice_loss(logits, target, per_image=per_image)


def deep_supervision_loss(
    logits: torch.Tensor,
    aux: Sequence[torch.Tensor],
    target: torch.Tensor,
    aux_weights: Sequence[float] = AUX_WEIGHTS,
    *,
    per_image: bool = True,
) -> torch.Tensor:
    """BCE + Dice of the output, plus weighted the same of each auxiliary output.

    Args:
        logits: (B, 1, H, W).
        aux: Auxiliary logits, coarsest first; may be empty.
        target: (B, 1, H, W), 0 or 1, floating point.
        aux_weights: One weight an auxiliary output, in their order.
        per_image: As in :func:`dice_loss`.

    Returns:
        A scalar.

    Raises:
        ValueError: If there are auxiliary outputs, but not as many as weights.

    Example:
        >>> out = torch.zeros(1, 1, 2, 2)
        >>> float(deep_supervision_loss(out, [], out)) == float(bce_dice_loss(out, out))
        True
    """
    if aux and len(aux) != len(aux_weights):
        raise ValueError(f"{len(aux)} auxiliary outputs, but {len(aux_weights)} weights for them")
    loss = bce_dice_loss(logits, target, per_image=per_image)
    for weight, output in zip(aux_weights, aux, strict=False):
        loss = loss + weight * bce_dice_loss(output, target, per_image=per_image)
    return loss
