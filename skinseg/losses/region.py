"""Losses of overlapping regions: Dice, intersection over union, Tversky."""

from collections.abc import Callable

import torch

from skinseg.losses.coefficients import one_minus_dice, one_minus_iou
from skinseg.losses.targets import probabilities_and_masks

Sums = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def dice_loss(
    logits: torch.Tensor,
    target: torch.Tensor,
    *,
    smooth: float = 1.0,
    per_image: bool = True,
    include_background: bool = True,
) -> torch.Tensor:
    """One minus the soft Dice coefficient, averaged over images and classes.

    Source: Milletari et al., V-Net, 3DV 2016 (arXiv 1606.04797), with areas that are not squared.

    Args:
        logits: (B, C, H, W).
        target: (B, C, H, W), bool, or floating point in 0..1; or (B, H, W), indices of classes,
            int64.
        smooth: Added to numerator and denominator; it makes two empty masks agree.
        per_image: Whether each image has a coefficient of its own, as in the papers, or the batch
            has one, in which large lesions count for more, as they do in pooled scores.
        include_background: Whether class 0 of several counts; of one channel there is no other.

    Returns:
        A scalar in 0..1.

    Raises:
        ValueError: If logits and target do not go together.

    Example:
        >>> target = torch.ones(2, 1, 4, 4)
        >>> bool(dice_loss(target * 20, target) < 1e-3)
        True
        >>> logits = torch.tensor([9.0, -9.0, -9.0]).view(1, 3, 1, 1).expand(2, 3, 4, 4)
        >>> bool(dice_loss(logits, torch.zeros(2, 4, 4, dtype=torch.int64)) < 1e-2)
        True
    """

    def dice(true: torch.Tensor, found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return one_minus_dice(true, found + wanted, smooth)

    return _mean(dice, logits, target, per_image, include_background)


def iou_loss(
    logits: torch.Tensor,
    target: torch.Tensor,
    *,
    smooth: float = 1.0,
    per_image: bool = True,
    include_background: bool = True,
) -> torch.Tensor:
    """One minus the soft intersection over union; arguments as in :func:`dice_loss`.

    Source: Rahman and Wang, ISVC 2016.

    Example:
        >>> target = torch.ones(2, 1, 4, 4)
        >>> bool(iou_loss(target * 20, target) < 1e-3)
        True
    """

    def iou(true: torch.Tensor, found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return one_minus_iou(true, found + wanted, smooth)

    return _mean(iou, logits, target, per_image, include_background)


def tversky_loss(
    logits: torch.Tensor,
    target: torch.Tensor,
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
    smooth: float = 1.0,
    per_image: bool = True,
    include_background: bool = True,
) -> torch.Tensor:
    """One minus the soft Tversky index, which weighs false and missed pixels apart.

    Source: Salehi et al., MLMI 2017 (arXiv 1706.05721). With ``alpha`` and ``beta`` of 0.5 it is
    the Dice loss (whose ``smooth`` is then twice this one), and of 1 the intersection over union.

    Args:
        logits: As in :func:`dice_loss`.
        target: As in :func:`dice_loss`.
        alpha: Weight of pixels that are falsely taken for the class.
        beta: Weight of pixels of the class that are missed; above ``alpha`` for more sensitivity.
        smooth: As in :func:`dice_loss`.
        per_image: As in :func:`dice_loss`.
        include_background: As in :func:`dice_loss`.

    Returns:
        A scalar in 0..1.

    Raises:
        ValueError: If logits and target do not go together, or a weight is negative.

    Example:
        >>> logits, target = torch.full((1, 1, 2, 2), -9.0), torch.ones(1, 1, 2, 2)
        >>> missed = tversky_loss(logits, target)
        >>> bool(missed > tversky_loss(logits, target, alpha=0.7, beta=0.3))
        True
    """
    if alpha < 0 or beta < 0:
        raise ValueError(f"alpha and beta must be 0 or more, not {alpha} and {beta}")

    def tversky(true: torch.Tensor, found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        false, missed = found - true, wanted - true
        return 1 - (true + smooth) / (true + alpha * false + beta * missed + smooth)

    return _mean(tversky, logits, target, per_image, include_background)


def _mean(
    loss: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
    logits: torch.Tensor,
    target: torch.Tensor,
    per_image: bool,
    include_background: bool,
) -> torch.Tensor:
    """The mean of a loss of each class's soft pixels: truly found, found, and to be found."""
    probabilities, masks = probabilities_and_masks(
        logits, target, include_background=include_background
    )
    pixels = (2, 3) if per_image else (0, 2, 3)
    true = (probabilities * masks).sum(pixels)
    return loss(true, probabilities.sum(pixels), masks.sum(pixels)).mean()
