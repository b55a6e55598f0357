import math

import torch
from einops import rearrange
from torch import nn

from skinseg.blocks.channels import output_channels
from skinseg.blocks.conv_unit import ConvUnit
from skinseg.blocks.memory_layout import add_gates, mean
from skinseg.blocks.spatial_gate import SpatialGate


class EfficientChannelGate(nn.Module):
    """Efficient Channel Attention (ECA): one weight in (0, 1) per channel, from its neighbors.

    Source: ECA-Net (CVPR 2020, arXiv 1910.03151): sigmoid(Conv1D(GAP(x))), with a kernel of
    psi(C) = (log2(C) + b) / gamma, made odd; b = 1 and gamma = 2.

    Args:
        channels: Channels C.

    Shape:
        (B, C, H, W) -> (B, C, 1, 1), floating point, any H and W.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        kernel = max(3, int(math.log2(channels) / 2 + 1) | 1)
        self.conv = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Weigh the channels of ``x`` (B, C, H, W)."""
        means = rearrange(mean(x, (2, 3), training=self.training), "b c -> b 1 c")
        logits: torch.Tensor = self.conv(means)
        return rearrange(logits, "b 1 c -> b c 1 1").sigmoid()


class ParallelChannelSpatialAttention(nn.Module):
    """Efficient channel and spatial attention side by side: ``x * (alpha * ECA + beta * SA)``.

    Source: LMSAUNet (Sci Rep 15, 34327, 2025), Methods.

    Args:
        channels: Channels C.

    Shape:
        (B, C, H, W) -> (B, C, H, W), floating point, any H and W.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel_gate = EfficientChannelGate(channels)
        self.spatial_gate = SpatialGate()
        self.alpha = nn.Parameter(torch.ones(1))
        self.beta = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Attend to the channels and positions of ``x`` (B, C, H, W)."""
        # Methods: both attentions see the same x, and learned scalars weigh them.
        by_channel = self.alpha * self.channel_gate(x)
        by_position = self.beta * self.spatial_gate(x)
        if self.training:
            return x * add_gates(by_channel, by_position, x)
        # As published, which the rules for the fast form look for.
        gated: torch.Tensor = x * (by_channel + by_position)
        return gated


class ECDF(nn.Module):
    """ECDF block of LMSAUNet: compress, a cascade of shared depthwise convolutions, expand, attend.

    A 1x1 convolution compresses to C_out / N channels. Its even and its odd channels pass the
    same (N - 2) / 2 depthwise 3x3 convolutions, one after the other, and every intermediate map is
    kept, so that C_out / 2 channels of growing receptive field come cheaply. A 1x1 convolution
    expands them to C_out.

    Source: LMSAUNet (Sci Rep 15, 34327, 2025), Methods. As in the authors' code, the attention
    follows the last 1x1 convolution (the text puts it before). In training BatchNorm sees both
    halves together; in the authors' code it sees one after the other, each with statistics of its
    own, and in evaluation both with their mixture, which fits neither.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out; ``in_chans`` by default. Where 2N does not divide C_out, the
            compressed width is the nearest even number, at least 2.
        compression: N, an even number from 2 to 32. 2 leaves no depthwise convolution.
        attention: Whether the channel and spatial attention ends the block.

    Raises:
        ValueError: If ``compression`` is odd or outside 2..32.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.

    Example:
        >>> ECDF(16, 32, compression=4)(torch.randn(2, 16, 9, 9)).shape
        torch.Size([2, 32, 9, 9])
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int | None = None,
        *,
        compression: int = 8,
        attention: bool = True,
    ) -> None:
        super().__init__()
        if compression % 2 or not 2 <= compression <= 32:
            raise ValueError(
                f"compression must be an even number from 2 to 32, not {compression!r}"
            )
        out_chans = output_channels(in_chans, out_chans)
        half = max(1, round(out_chans / (2 * compression)))
        depth = (compression - 2) // 2
        self.compress = ConvUnit(in_chans, 2 * half, 1)
        self.cascade = nn.ModuleList(
            ConvUnit(half, half, 3, groups=half, act=False) for _ in range(depth)
        )
        self.expand = ConvUnit(2 * half * (depth + 1), out_chans, 1)
        self.attention = ParallelChannelSpatialAttention(out_chans) if attention else nn.Identity()
        self.residual = in_chans == out_chans

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        out = self._expanded(self.compress(x))  # Methods: 1x1 convolution to C_out / N
        return x + out if self.residual else out

    def join(self, deep: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Return ``forward`` of a deeper map, enlarged, and a skip; see :meth:`ConvUnit.join`."""
        return self._expanded(self.compress.join(deep, skip))

    def _expanded(self, compressed: torch.Tensor) -> torch.Tensor:
        halves = rearrange(compressed, "b (c parity) h w -> parity b c h w", parity=2)
        # The halves go through the shared convolutions together, as one batch: BatchNorm then
        # learns with the statistics of both, which are the ones that it has when it predicts.
        # Joined by torch.cat, which keeps a channels-last layout; einops would lose it.
        kept = [torch.cat(halves.unbind())]
        for unit in self.cascade:
            kept.append(unit(kept[-1]))  # Methods: one shared depthwise convolution after another
        halves = rearrange(torch.cat(kept, dim=1), "(parity b) c h w -> parity b c h w", parity=2)
        joined = torch.cat(halves.unbind(), dim=1)  # Methods: all maps are kept
        out: torch.Tensor = self.attention(self.expand(joined))  # Methods; the code's order
        return out
