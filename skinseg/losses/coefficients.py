"""One minus how much two soft regions agree, from their overlap and the sum of their areas."""

import torch


def one_minus_dice(overlap: torch.Tensor, areas: torch.Tensor, smooth: float = 1.0) -> torch.Tensor:
    """One minus the Dice coefficient.

    Args:
        overlap: (...), the area that both regions cover.
        areas: (...), the area of one plus that of the other.
        smooth: Added to numerator and denominator; it makes two empty regions agree.

    Example:
        >>> float(one_minus_dice(torch.tensor(2.0), torch.tensor(6.0), smooth=0))
        0.3333333134651184
    """
    return 1 - (2 * overlap + smooth) / (areas + smooth)


def one_minus_iou(overlap: torch.Tensor, areas: torch.Tensor, smooth: float = 1.0) -> torch.Tensor:
    """One minus the intersection over union; arguments as in :func:`one_minus_dice`.

    Example:
        >>> float(one_minus_iou(torch.tensor(2.0), torch.tensor(6.0), smooth=0))
        0.5
    """
    return 1 - (overlap + smooth) / (areas - overlap + smooth)
