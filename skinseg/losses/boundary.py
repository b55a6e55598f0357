"""The loss of a mask's edge: how far from it pixels are that are on the wrong side."""

import numpy as np
import torch

from skinseg.losses.targets import probabilities_and_masks


def boundary_loss(
    logits: torch.Tensor, target: torch.Tensor, *, include_background: bool = True
) -> torch.Tensor:
    """The mean over pixels of probability times signed distance to the true mask's edge.

    Source: Kervadec et al., MIDL 2019 (arXiv 1812.07032). Distances are in pixels, negative inside
    the mask: the loss is the lower, the more of the mask is found and the less beyond it, and what
    is far off costs most. It is added to a loss of the region, with a small weight that the paper
    raises during training.

    The distances are computed on the CPU at each call. A mask without lesion, or of nothing else,
    has no edge and adds 0.

    Args:
        logits: (B, C, H, W).
        target: (B, C, H, W), bool, or floating point in 0..1, where the edge is at 0.5; or
            (B, H, W), indices of classes, int64.
        include_background: Whether class 0 of several counts; its edge is that of all others.

    Returns:
        A scalar; negative for a mask that is found.

    Raises:
        ValueError: If logits and target do not go together.

    Example:
        >>> target = torch.zeros(1, 1, 8, 8)
        >>> target[..., 2:6, 2:6] = 1
        >>> found, missed = 9 * (2 * target - 1), torch.full_like(target, -9.0)
        >>> bool(boundary_loss(found, target) < 0 < boundary_loss(-found, target))
        True
        >>> bool(boundary_loss(missed, target).abs() < 1e-3)
        True
    """
    probabilities, masks = probabilities_and_masks(
        logits, target, include_background=include_background
    )
    inside = (masks > 0.5).cpu().numpy()
    distances = np.stack([_signed_distance(mask) for mask in inside.reshape(-1, *inside.shape[2:])])
    return (probabilities * probabilities.new_tensor(distances).view_as(probabilities)).mean()


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    """Pixels (H, W) from the outermost pixels of a mask, bool (H, W); negative inside it."""
    from scipy.ndimage import distance_transform_edt  # Slow to import.

    if mask.all() or not mask.any():
        return np.zeros(mask.shape)
    distance: np.ndarray = distance_transform_edt(~mask)
    distance -= (distance_transform_edt(mask) - 1) * mask
    return distance
