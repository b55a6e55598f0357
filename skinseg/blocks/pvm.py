import math

import torch
from einops import rearrange
from torch import nn

from skinseg.arguments import require_whole
from skinseg.blocks.channels import output_channels
from skinseg.blocks.layer_norm import LayerNorm2d
from skinseg.blocks.mamba import Mamba


class ParallelVisionMamba(nn.Module):
    """Parallel Vision Mamba (PVM) layer: one narrow Mamba layer for all groups of channels.

    The normalized channels are cut into four groups. The same Mamba layer, a quarter as wide,
    sees each of them, with a scaled residual; the groups are joined, normalized again by the same
    weights, and pass a 1x1 convolution.

    Source: UltraLight VM-UNet (arXiv 2403.20035), Section 3.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out; ``in_chans`` by default.
        groups: Number of groups; of those that do not divide C_in, the largest common divisor.
        state_size: States per channel of the Mamba layer.

    Raises:
        ValueError: If ``groups`` or ``state_size`` is below 1.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.

    Example:
        >>> ParallelVisionMamba(16, 24)(torch.randn(2, 16, 8, 9)).shape
        torch.Size([2, 24, 8, 9])
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int | None = None,
        *,
        groups: int = 4,
        state_size: int = 16,
    ) -> None:
        super().__init__()
        out_chans = output_channels(in_chans, out_chans)
        self.groups = math.gcd(require_whole("groups", groups), in_chans)
        self.norm = LayerNorm2d(in_chans, eps=1e-5)
        self.mamba = Mamba(in_chans // self.groups, state_size=state_size)
        self.scale = nn.Parameter(torch.ones(1))
        self.project = nn.Conv2d(in_chans, out_chans, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        # The groups share a layer, which can see them as a batch.
        slices = rearrange(self.norm(x), "b (g c) h w -> (b g) c h w", g=self.groups)
        slices = self.mamba(slices) + self.scale * slices  # Section 3: in parallel, with residual
        joined = rearrange(slices, "(b g) c h w -> b (g c) h w", g=self.groups)
        projected: torch.Tensor = self.project(self.norm(joined))  # Section 3
        return projected
