from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.arguments import require_branches
from skinseg.blocks.channels import norm_groups, output_channels, split_widths


class DepthwiseSeparableConv(nn.Sequential):
    """Depthwise convolution, GroupNorm, 1x1 convolution; nothing between.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out.
        kernel_size: Odd size of the depthwise convolution.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.
    """

    def __init__(self, in_chans: int, out_chans: int, kernel_size: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            in_chans, in_chans, kernel_size, padding=kernel_size // 2, groups=in_chans
        )
        self.norm = nn.GroupNorm(norm_groups(in_chans), in_chans)
        self.pointwise = nn.Conv2d(in_chans, out_chans, 1)


class DilatedGatedAttention(nn.Module):
    """Dilated Gated Attention (DGA): dilated depthwise branches, then a gate on their mixture.

    Four groups of channels are convolved at four dilations, mixed, and passed through a gate: one
    depthwise-separable convolution says *where* (sigmoid), another *what*, and their product is
    projected and added to a residual.

    Source: MALUNet (BIBM 2022, arXiv 2211.01784), Section III, equations (1) to (5). The authors'
    code, followed here, gives the first group the largest dilation (7, 5, 2, 1), where equation
    (2) has the opposite order.

    Args:
        in_chans: Channels C_in, at least 4.
        out_chans: Channels C_out; ``in_chans`` by default.
        dilations: Dilation of each group, in channel order.

    Raises:
        ValueError: If there are fewer channels than dilations, there is none, or one is below 1.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.

    Example:
        >>> DilatedGatedAttention(24, 32)(torch.randn(1, 24, 16, 20)).shape
        torch.Size([1, 32, 16, 20])
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int | None = None,
        *,
        dilations: Sequence[int] = (7, 5, 2, 1),
    ) -> None:
        super().__init__()
        out_chans = output_channels(in_chans, out_chans)
        dilations = require_branches("dilations", dilations)
        self.widths = split_widths(in_chans, len(dilations))
        self.dilated = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, groups=width)
            for width, dilation in zip(self.widths, dilations, strict=True)
        )
        self.norm = nn.GroupNorm(norm_groups(in_chans), in_chans)
        self.mix = nn.Conv2d(in_chans, in_chans, 1)
        self.gate = DepthwiseSeparableConv(in_chans, in_chans, 3)
        self.value = DepthwiseSeparableConv(in_chans, in_chans, 5)
        self.project = DepthwiseSeparableConv(in_chans, out_chans, 3)
        self.shortcut = nn.Conv2d(in_chans, out_chans, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        groups = torch.split(x, self.widths, dim=1)  # (1)
        x = torch.cat(
            [conv(group) for conv, group in zip(self.dilated, groups, strict=True)], dim=1
        )  # (2)
        x = F.gelu(self.mix(self.norm(x)))
        attended = torch.sigmoid(self.gate(x)) * F.gelu(self.value(x))  # (3), (4)
        out: torch.Tensor = F.gelu(self.project(attended)) + self.shortcut(x)  # (5)
        return out
