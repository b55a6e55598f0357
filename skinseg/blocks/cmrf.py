import torch
from torch import nn

from skinseg.blocks.channels import output_channels
from skinseg.blocks.conv_unit import ConvUnit


class CascadeMultiReceptiveFields(nn.Module):
    """Cascade Multi-Receptive Fields (CMRF): cheap maps of growing receptive field.

    A 1x1 convolution compresses to C_out / N channels. The odd ones pass N - 1 depthwise 3x3
    convolutions, one after the other; every map is kept, and the even channels, which pass none,
    are added to the odd ones. A 1x1 convolution expands what was kept to C_out.

    LMSAUNet's ECDF is its successor: there both halves pass the cascade, of half the length, and
    attention ends the block.

    Source: TinyU-Net (MICCAI 2024), Section 2.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out; ``in_chans`` by default. Where 2N does not divide C_out, the
            compressed width is the nearest even number, at least 2.
        compression: N, from 2 to 32; the number of maps that are kept.

    Raises:
        ValueError: If ``compression`` is outside 2..32.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.

    Example:
        >>> CascadeMultiReceptiveFields(16, 32)(torch.randn(2, 16, 9, 9)).shape
        torch.Size([2, 32, 9, 9])
    """

    def __init__(
        self, in_chans: int, out_chans: int | None = None, *, compression: int = 8
    ) -> None:
        super().__init__()
        if not 2 <= compression <= 32:
            raise ValueError(f"compression must be a number from 2 to 32, not {compression!r}")
        out_chans = output_channels(in_chans, out_chans)
        half = max(1, round(out_chans / (2 * compression)))
        self.compress = ConvUnit(in_chans, 2 * half, 1)
        self.cascade = nn.ModuleList(
            ConvUnit(half, half, 3, groups=half, act=False) for _ in range(compression - 1)
        )
        self.expand = ConvUnit(compression * half, out_chans, 1)
        self.residual = in_chans == out_chans

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        out = self._expanded(self.compress(x))  # Section 2: 1x1 convolution to C_out / N
        return x + out if self.residual else out

    def join(self, deep: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Return ``forward`` of a deeper map, enlarged, and a skip; see :meth:`ConvUnit.join`."""
        return self._expanded(self.compress.join(deep, skip))

    def _expanded(self, compressed: torch.Tensor) -> torch.Tensor:
        even, odd = compressed[:, 0::2], compressed[:, 1::2]
        kept = [even + odd]
        for unit in self.cascade:
            odd = unit(odd)  # Section 2: one depthwise convolution after another
            kept.append(odd)
        out: torch.Tensor = self.expand(torch.cat(kept, dim=1))  # Section 2: all maps are kept
        return out
