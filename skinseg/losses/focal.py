"""Cross entropy of which easy pixels take little."""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from skinseg.losses.targets import at_least_float32, check_target


def focal_loss(
    logits: torch.Tensor,
    target: torch.Tensor,
    *,
    gamma: float = 2.0,
    alpha: float | Sequence[float] | torch.Tensor | None = None,
) -> torch.Tensor:
    """Cross entropy times (1 - p)^gamma, p the probability of what is true; a mean over pixels.

    Source: Lin et al., ICCV 2017 (arXiv 1708.02002). With ``gamma`` of 0 and no ``alpha`` it is the
    cross entropy.

    Args:
        logits: (B, C, H, W).
        target: (B, C, H, W), bool, or floating point in 0..1; or (B, H, W), indices of classes,
            int64.
        gamma: The higher, the less a pixel counts that is right already; 0 or more.
        alpha: With masks, weight of pixels of the class, 0..1, where all others weigh
            ``1 - alpha``; with indices, one weight for each class. None for no weights.

    Returns:
        A scalar, 0 or more.

    Raises:
        ValueError: If logits and target do not go together, or ``gamma`` or ``alpha`` is not as
            above.

    Example:
        >>> logits, target = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
        >>> round(float(focal_loss(logits, target)), 4)  # 0.5 ** 2 * log(2)
        0.1733
        >>> easy = torch.tensor([[[[4.0]], [[-4.0]]]])
        >>> bool(focal_loss(easy, torch.tensor([[[0]]])) < 1e-6)
        True
    """
    check_target(logits, target)
    if gamma < 0:
        raise ValueError(f"gamma must be 0 or more, not {gamma}")
    if isinstance(alpha, torch.Tensor):
        alpha = alpha.tolist()
    logits = at_least_float32(logits)
    if target.ndim == 4:
        target = at_least_float32(target)
        entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        probability = logits.sigmoid()
        right = probability * target + (1 - probability) * (1 - target)
        weights = _two_weights(alpha, target)
    else:
        entropy = F.cross_entropy(logits, target, reduction="none")
        right = torch.exp(-entropy)
        weights = _class_weights(alpha, logits, target)
    # A power below 1 has no derivative at 0, where float32 rounds sure pixels to.
    wrong = (1 - right).clamp_min(torch.finfo(right.dtype).tiny)
    return (weights * wrong**gamma * entropy).mean()


def _two_weights(
    alpha: float | Sequence[float] | None, target: torch.Tensor
) -> torch.Tensor | float:
    if alpha is None:
        return 1.0
    if isinstance(alpha, Sequence) or not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be a number in 0..1 for a target of masks, not {alpha}")
    return alpha * target + (1 - alpha) * (1 - target)


def _class_weights(
    alpha: float | Sequence[float] | None, logits: torch.Tensor, target: torch.Tensor
) -> torch.Tensor | float:
    if alpha is None:
        return 1.0
    classes = logits.shape[1]
    if not isinstance(alpha, Sequence) or len(alpha) != classes or min(alpha) < 0:
        raise ValueError(f"alpha must be {classes} weights, one for each class, not {alpha}")
    weights: torch.Tensor = logits.new_tensor(alpha)[target]
    return weights
