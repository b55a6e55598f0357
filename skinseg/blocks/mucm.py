import math

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.arguments import require_whole
from skinseg.blocks.channels import output_channels
from skinseg.blocks.layer_norm import LayerNorm2d
from skinseg.blocks.mamba import Mamba
from skinseg.blocks.ucm import Mixing


class ChannelAffine(nn.Module):
    """A factor and an offset per channel, 1 and 0 at first; keeps (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scale and move ``x`` (B, C, H, W)."""
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class MambaUCMBlock(nn.Module):
    """Mamba-UCM block: a UCM-Net block beside Mamba layers on groups of its channels.

    ``y = n + g(gelu(f(n))) + mamba(n)`` with ``n`` the normalized map, ``f`` and ``g`` each a 1x1
    convolution, instance normalization and a 3x3 depthwise convolution, and one Mamba layer per
    group of channels.

    Source: MUCM-Net (Explor Med 5, 694, 2024; arXiv 2405.15925). The published network has
    weights that it does not use: of its Mamba layers the first two serve all groups by turns, and
    two layer normalizations are never applied. Here each group has its own layer, as the paper
    says, and the weights of the normalizations scale the Mamba layers' result and the sum. So
    the parameters are as many, all of them learn, and converted weights give its function.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out; ``in_chans`` by default. Where it differs, a 1x1 convolution
            follows the block.
        groups: Number of groups; of those that do not divide C_in, the largest common divisor.
        state_size: States per channel of the Mamba layers.

    Raises:
        ValueError: If ``groups`` or ``state_size`` is below 1.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.

    Example:
        >>> MambaUCMBlock(16)(torch.randn(2, 16, 8, 9)).shape
        torch.Size([2, 16, 8, 9])
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int | None = None,
        *,
        groups: int = 8,
        state_size: int = 4,
    ) -> None:
        super().__init__()
        out_chans = output_channels(in_chans, out_chans)
        self.norm = LayerNorm2d(in_chans, eps=1e-5)
        self.first = Mixing(in_chans)
        self.second = Mixing(in_chans)
        groups = math.gcd(require_whole("groups", groups), in_chans)
        self.mamba = Mamba(in_chans, groups=groups, state_size=state_size)
        self.mamba_scale = ChannelAffine(in_chans)
        self.scale = ChannelAffine(in_chans)
        self.project = nn.Identity() if in_chans == out_chans else nn.Conv2d(in_chans, out_chans, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        x = self.norm(x)
        mixed: torch.Tensor = self.second(F.gelu(self.first(x)))
        scanned: torch.Tensor = self.mamba_scale(self.mamba(x))
        y: torch.Tensor = self.project(self.scale(x + mixed + scanned))
        return y
