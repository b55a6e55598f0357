"""The inverted residual of the mobile networks."""

import torch
from torch import nn

from skinseg.models.conv_norm import ConvNorm


def round_channels(channels: float) -> int:
    """Return the nearest multiple of 8, at least 8, and the next one if over a tenth is lost.

    So do MobileNetV3 and MobileViTv2 round the widths of their narrower and wider variants.

    Example:
        >>> round_channels(88.08), round_channels(60), round_channels(12), round_channels(10)
        (88, 64, 16, 16)
    """
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


class InvertedResidual(nn.Module):
    """1x1 convolution to more channels, depthwise convolution, 1x1 convolution to fewer.

    Each is followed by BatchNorm, the first two also by an activation. The input is added where it
    has the output's shape.

    Source: Sandler et al., CVPR 2018 (arXiv 1801.04381), Section 3.3; squeeze-and-excitation
    before the last convolution as in MobileNetV3 (arXiv 1905.02244), Section 5.3.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out.
        expanded: Channels between; where they are ``in_chans``, there is no first convolution.
        act: The activation.
        kernel_size: Side of the depthwise kernel.
        stride: Step of the depthwise convolution.
        attention: Module that the expanded map passes before the last convolution, or None.

    Shape:
        (B, C_in, H, W) -> (B, C_out, ceil(H / stride), ceil(W / stride)).

    Example:
        >>> InvertedResidual(8, 12, 16, nn.SiLU(), stride=2)(torch.randn(2, 8, 5, 6)).shape
        torch.Size([2, 12, 3, 3])
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        expanded: int,
        act: nn.Module,
        *,
        kernel_size: int = 3,
        stride: int = 1,
        attention: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.expand = (
            nn.Identity() if expanded == in_chans else ConvNorm(in_chans, expanded, 1, act=act)
        )
        self.depthwise = ConvNorm(
            expanded, expanded, kernel_size, stride=stride, groups=expanded, act=act
        )
        self.attention = attention or nn.Identity()
        self.project = ConvNorm(expanded, out_chans, 1, act=False)
        self.has_shortcut = stride == 1 and in_chans == out_chans

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve ``x`` (B, C_in, H, W)."""
        y: torch.Tensor = self.project(self.attention(self.depthwise(self.expand(x))))
        return x + y if self.has_shortcut else y
