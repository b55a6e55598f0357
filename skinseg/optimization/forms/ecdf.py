from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.blocks.conv_unit import ConvUnit
from skinseg.blocks.ecdf import ECDF


class InterleavedECDF(nn.Module):
    """ECDF that leaves even and odd channels where they are.

    Both halves pass the same depthwise convolutions, so that each convolution may as well take all
    channels with its weights written twice. What the last convolution reads is in another order
    then, and so are its weights.

    Args:
        block: The published block, whose weights are used.
    """

    def __init__(self, block: ECDF) -> None:
        super().__init__()
        self.compress = block.compress
        units: list[Any] = list(block.cascade)
        self.cascade = nn.ModuleList(_twice(unit) for unit in units)
        half = block.compress.conv.out_channels // 2
        maps = 1 + len(units)
        # Published: all even channels of all maps, then all odd ones; here map by map.
        order = torch.arange(2 * half * maps).view(2, maps, half).permute(1, 2, 0).flatten()
        self.expand_weight = nn.Parameter(block.expand.conv.weight[:, order])
        self.expand_norm = block.expand.norm
        self.expand_act = block.expand.act
        self.attention = block.attention
        self.residual = block.residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        kept = [self.compress(x)]
        for unit in self.cascade:
            kept.append(unit(kept[-1]))
        expanded = F.conv2d(torch.cat(kept, dim=1), self.expand_weight)
        out: torch.Tensor = self.attention(self.expand_act(self.expand_norm(expanded)))
        return x + out if self.residual else out


def _twice(unit: ConvUnit) -> nn.Sequential:
    """Return the unit for even and odd channels in turn."""
    channels = 2 * unit.conv.out_channels
    conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    norm = nn.BatchNorm2d(channels, eps=unit.norm.eps)
    for new, old in ((conv, unit.conv), (norm, unit.norm)):
        doubled = {
            key: value.repeat_interleave(2, 0) if value.ndim else value
            for key, value in old.state_dict().items()
        }
        new.to(unit.conv.weight).load_state_dict(doubled)
    return nn.Sequential(conv, norm).eval()
