import torch
from torch import nn


class InstanceNorm2d(nn.GroupNorm):
    """Instance normalization: each channel of each image over its positions, then scaled.

    Unlike :class:`torch.nn.InstanceNorm2d` it takes maps of a single position, which it turns
    into the bias.

    Args:
        num_channels: Number of channels C.
        eps: Added to the variance.

    Shape:
        (B, C, H, W) -> (B, C, H, W), floating point, any H and W.

    Example:
        >>> y = InstanceNorm2d(8)(torch.randn(2, 8, 5, 5))
        >>> bool(y.mean((2, 3)).abs().max() < 1e-5)
        True
        >>> bool(InstanceNorm2d(8)(torch.randn(1, 8, 1, 1)).abs().max() < 1e-3)
        True
    """

    def __init__(self, num_channels: int, eps: float = 1e-5) -> None:
        super().__init__(num_channels, num_channels, eps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalize ``x`` (B, C, H, W) over H and W."""
        # Not functional.group_norm, which refuses a single position of a single image.
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
