import torch
from torch import nn


class LayerNorm2d(nn.LayerNorm):
    """Layer normalization over the channels of a feature map, at each position separately.

    Args:
        num_channels: Number of channels C.
        eps: Added to the variance. EGE-UNet uses 1e-6.

    Shape:
        (B, C, H, W) -> (B, C, H, W), floating point.

    Example:
        >>> y = LayerNorm2d(8)(torch.randn(2, 8, 5, 5))
        >>> bool(y.mean(1).abs().max() < 1e-5)
        True
    """

    def __init__(self, num_channels: int, eps: float = 1e-6) -> None:
        super().__init__(num_channels, eps=eps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalize ``x`` (B, C, H, W) over C."""
        if self.training:
            # One pass forward and one back, in place of the nine and twenty below.
            normalized = super().forward(x.permute(0, 2, 3, 1))
            return normalized.permute(0, 3, 1, 2)
        # Written out, because this rounds as the authors' code does, which decides where the
        # channels of a position are nearly equal.
        centered = x - x.mean(1, keepdim=True)
        deviation = (centered.pow(2).mean(1, keepdim=True) + self.eps).sqrt()
        return self.weight[:, None, None] * (centered / deviation) + self.bias[:, None, None]
