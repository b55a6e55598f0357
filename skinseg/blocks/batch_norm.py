import torch
from torch import nn
from torch.nn import functional as F


def batch_norm(norm: nn.BatchNorm2d, x: torch.Tensor) -> torch.Tensor:
    """Batch normalization that also trains on a single position of a single image.

    One value per channel has no variance; it is normalized with the statistics learned so far,
    which stay as they are.

    Args:
        norm: The layer.
        x: Map (B, C, H, W).

    Returns:
        The normalized map (B, C, H, W).

    Example:
        >>> batch_norm(nn.BatchNorm2d(4), torch.randn(1, 4, 1, 1)).shape
        torch.Size([1, 4, 1, 1])
    """
    if norm.training and x.shape[0] * x.shape[2] * x.shape[3] == 1:
        return F.batch_norm(
            x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
        )
    normalized: torch.Tensor = norm(x)
    return normalized
