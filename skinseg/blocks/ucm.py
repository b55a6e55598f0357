import math

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.blocks.channels import output_channels
from skinseg.blocks.instance_norm import InstanceNorm2d
from skinseg.blocks.layer_norm import LayerNorm2d


class Mixing(nn.Sequential):
    """1x1 convolution, instance normalization, 3x3 depthwise convolution; keeps (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        pointwise = nn.Conv2d(channels, channels, 1)
        depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        super().__init__(pointwise, InstanceNorm2d(channels), depthwise)
        # As the authors do, who write the 1x1 convolution as a linear layer.
        nn.init.trunc_normal_(pointwise.weight, std=0.02)
        nn.init.normal_(depthwise.weight, std=math.sqrt(2 / 9))
        for conv in (pointwise, depthwise):
            nn.init.constant_(conv.get_parameter("bias"), 0)


class UCMBlock(nn.Module):
    """UCM-Net block: a perceptron over channels whose layers also look at neighbors.

    ``y = 2 * (n + g(gelu(f(n))))`` with ``n`` the normalized map, ``f`` and ``g`` each a 1x1
    convolution, instance normalization and a 3x3 depthwise convolution.

    Source: UCM-Net (arXiv 2310.09457), Section 3. As in the authors' code, the residual is the
    normalized map, no gradient flows through it, and the sum is doubled. Their instance
    normalization has a weight and a bias per channel that it never applies; here they are
    applied, and begin as 1 and 0, so that the parameters are as many and the function is theirs.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out; ``in_chans`` by default. Where it differs, a 1x1 convolution
            follows the block.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.

    Example:
        >>> UCMBlock(16)(torch.randn(2, 16, 8, 9)).shape
        torch.Size([2, 16, 8, 9])
    """

    def __init__(self, in_chans: int, out_chans: int | None = None) -> None:
        super().__init__()
        out_chans = output_channels(in_chans, out_chans)
        self.norm = LayerNorm2d(in_chans, eps=1e-5)
        self.first = Mixing(in_chans)
        self.second = Mixing(in_chans)
        self.project = nn.Identity() if in_chans == out_chans else nn.Conv2d(in_chans, out_chans, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        x = self.norm(x)
        mixed: torch.Tensor = self.second(F.gelu(self.first(x)))
        y: torch.Tensor = self.project(2 * (mixed + x.detach()))
        return y
