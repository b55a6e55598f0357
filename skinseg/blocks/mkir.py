import math
from collections.abc import Sequence

import torch
from einops import rearrange
from torch import nn

from skinseg.arguments import require_whole
from skinseg.blocks.batch_norm import batch_norm
from skinseg.blocks.channels import output_channels


class ConvNormReLU6(nn.Sequential):
    """Convolution without bias, BatchNorm and, unless ``act=False``, ReLU6; keeps H and W."""

    def __init__(
        self, in_chans: int, out_chans: int, kernel_size: int, *, groups: int = 1, act: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_chans, out_chans, kernel_size, padding=kernel_size // 2, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(out_chans)
        self.act = nn.ReLU6() if act else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        out: torch.Tensor = self.act(batch_norm(self.norm, self.conv(x)))
        return out


class MultiKernelInvertedResidual(nn.Module):
    """Multi-Kernel Inverted Residual (MKIR): depthwise convolutions of several sizes, side by side.

    A 1x1 convolution expands the channels, depthwise convolutions of several kernels see them in
    parallel, and their sum is shuffled among the channels and reduced by a second 1x1 convolution,
    onto a residual.

    Source: MK-UNet (ICCVW 2025, arXiv 2509.18493), Section 3.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out; ``in_chans`` by default.
        kernel_sizes: Odd size of each depthwise convolution.
        hidden_chans: Channels between the 1x1 convolutions; twice C_in by default.
        project: Whether the residual passes a 1x1 convolution; by default only where C_in and
            C_out differ.

    Raises:
        ValueError: If there is no kernel or an even one, ``hidden_chans`` is below 1, or the
            residual must be projected and ``project`` is false.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.

    Example:
        >>> MultiKernelInvertedResidual(16, 24)(torch.randn(2, 16, 8, 9)).shape
        torch.Size([2, 24, 8, 9])
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int | None = None,
        *,
        kernel_sizes: Sequence[int] = (1, 3, 5),
        hidden_chans: int | None = None,
        project: bool | None = None,
    ) -> None:
        super().__init__()
        if not kernel_sizes or any(size < 1 or size % 2 == 0 for size in kernel_sizes):
            raise ValueError(f"kernel_sizes must be odd numbers, not {kernel_sizes}")
        out_chans = output_channels(in_chans, out_chans)
        if project is None:
            project = in_chans != out_chans
        if in_chans != out_chans and not project:
            raise ValueError(f"{in_chans} channels cannot be added to {out_chans} unprojected")
        hidden = 2 * in_chans
        if hidden_chans is not None:
            hidden = require_whole("hidden_chans", hidden_chans)
        self.expand = ConvNormReLU6(in_chans, hidden, 1)
        self.depthwise = nn.ModuleList(
            ConvNormReLU6(hidden, hidden, size, groups=hidden) for size in kernel_sizes
        )
        self.groups = math.gcd(hidden, out_chans)
        self.reduce = ConvNormReLU6(hidden, out_chans, 1, act=False)
        self.shortcut = nn.Conv2d(in_chans, out_chans, 1, bias=False) if project else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        expanded = self.expand(x)
        mixed = torch.stack([conv(expanded) for conv in self.depthwise]).sum(0)  # Section 3: MKDC
        mixed = rearrange(mixed, "b (g c) h w -> b (c g) h w", g=self.groups)  # channel shuffle
        out: torch.Tensor = self.shortcut(x) + self.reduce(mixed)  # Section 3: MKIR
        return out
