import torch
from torch import nn

from skinseg.arguments import require_odd, require_whole
from skinseg.blocks.memory_layout import mean


class SpatialGate(nn.Module):
    """One weight in (0, 1) per position, from the channels' mean and maximum.

    The gate takes any number of channels, so one gate can serve maps of several stages.

    Source: MALUNet's bridge (arXiv 2211.01784, Section III) and LMSAUNet's attention (Sci Rep 15,
    34327, 2025, Methods) both weigh positions in this way.

    Args:
        kernel_size: Odd size of its single convolution.
        dilation: Dilation of that convolution.
        bias: Whether it has a bias.

    Raises:
        ValueError: If ``kernel_size`` is even, or ``kernel_size`` or ``dilation`` below 1.

    Shape:
        (B, C, H, W) -> (B, 1, H, W), floating point, any C, H and W.

    Example:
        >>> SpatialGate()(torch.randn(2, 5, 9, 9)).shape
        torch.Size([2, 1, 9, 9])
    """

    def __init__(self, kernel_size: int = 7, dilation: int = 1, bias: bool = True) -> None:
        super().__init__()
        require_odd("kernel_size", kernel_size)
        padding = require_whole("dilation", dilation) * (kernel_size // 2)
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=padding, dilation=dilation, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Weigh the positions of ``x`` (B, C, H, W)."""
        means = mean(x, (1,), keepdim=True, training=self.training)
        pooled = torch.cat([means, x.amax(1, keepdim=True)], dim=1)
        logits: torch.Tensor = self.conv(pooled)
        return logits.sigmoid()
