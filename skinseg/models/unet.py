"""U-Net: the network of five levels that MALUNet and EGE-UNet compare with."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.models.base import SegmentationModel
from skinseg.models.citation import Citation
from skinseg.models.features import FeatureInfo
from skinseg.registry import register_model


class DoubleConv(nn.Sequential):
    """Two 3x3 convolutions, each with BatchNorm and ReLU; (B, C_in, H, W) -> (B, C_out, H, W)."""

    def __init__(self, in_chans: int, out_chans: int) -> None:
        layers = []
        for width in (in_chans, out_chans):
            layers += [nn.Conv2d(width, out_chans, 3, padding=1), nn.BatchNorm2d(out_chans)]
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class UNetEncoder(nn.Module):
    """Double convolutions with 2x2 max-pooling between them; returns each level's map."""

    def __init__(self, in_chans: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            DoubleConv(narrow, wide) for narrow, wide in pairwise([in_chans, *channels])
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps of (B, in_chans, H, W) at H, H/2, ..., finest first."""
        maps = [self.levels[0](x)]
        for level in self.levels[1:]:
            maps.append(level(F.max_pool2d(maps[-1], 2)))
        return maps


def pad_to_skip(x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
    """Repeat the last row and column of ``x`` where pooling dropped an odd one of the skip.

    Args:
        x: Upsampled map (B, C, h, w), at most as large as the skip.
        skip: Map (B, C', H, W).

    Returns:
        The map (B, C, H, W).

    Example:
        >>> pad_to_skip(torch.tensor([[[[1.0, 2.0]]]]), torch.zeros(1, 1, 1, 3))
        tensor([[[[1., 2., 2.]]]])
    """
    missing = [skip.shape[-1] - x.shape[-1], skip.shape[-2] - x.shape[-2]]
    return F.pad(x, (0, missing[0], 0, missing[1]), mode="replicate")


class UpBlock(nn.Module):
    """2x2 transposed convolution, BatchNorm, ReLU; the skip beside it; double convolution."""

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        self.up = nn.Sequential(
            nn.ConvTranspose2d(in_chans, out_chans, 2, stride=2),
            nn.BatchNorm2d(out_chans),
            nn.ReLU(inplace=True),
        )
        self.fuse = DoubleConv(2 * out_chans, out_chans)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Double (B, C_in, h, w) and fuse it with the skip (B, C_out, H, W)."""
        x = pad_to_skip(self.up(x), skip)
        fused: torch.Tensor = self.fuse(torch.cat([x, skip], dim=1))
        return fused


class PooledUNet(SegmentationModel):
    """What U-Net, Attention U-Net and UNet++ have in common: all but their decoders.

    A subclass sets ``decoder``, one module per skip, deepest first, or overrides :meth:`decode`.

    Args:
        config: The subclass's constructor arguments, ``in_chans``, ``num_classes`` and
            ``channels`` among them.

    Raises:
        ValueError: If there are not two to six widths.
    """

    first_conv = "encoder.levels.0.0"
    decoder: nn.ModuleList

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        channels = config["channels"]
        if not 2 <= len(channels) <= 6:
            raise ValueError(f"channels must be two to six widths, not {channels}")
        self.encoder = UNetEncoder(self.in_chans, channels)
        levels = range(len(channels))
        self.feature_info = FeatureInfo(
            channels, [2**level for level in levels], [f"levels.{level}" for level in levels]
        )
        self.head = nn.Conv2d(channels[0], self.num_classes, 1)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Climb from the deepest level, fusing at each its skip."""
        *skips, x = features
        for block, skip in zip(self.decoder, reversed(skips), strict=True):
            x = block(x, skip)
        return x, []


class UNet(PooledUNet):
    """U-Net of five levels with concatenated skips.

    Source: Ronneberger et al., MICCAI 2015 (arXiv 1505.04597), narrowed to 32..512 channels as in
    the first row of MALUNet's Table III (arXiv 2211.01784); BatchNorm after every convolution,
    the transposed ones included, is the reading that gives its 7.77 M parameters.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits.
        channels: Width of each level; up to six levels, so that 32x32 images can be halved.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> UNet(channels=(4, 8, 16))(torch.randn(1, 3, 45, 50)).shape
        torch.Size([1, 1, 45, 50])
    """

    paper = Citation(
        key="ronneberger2015unet",
        title="U-Net: Convolutional Networks for Biomedical Image Segmentation",
        authors=("Olaf Ronneberger", "Philipp Fischer", "Thomas Brox"),
        venue="Medical Image Computing and Computer-Assisted Intervention (MICCAI)",
        pages="234--241",
        year=2015,
        arxiv="1505.04597",
    )

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        channels: Sequence[int] = (32, 64, 128, 256, 512),
    ) -> None:
        super().__init__(
            {"in_chans": in_chans, "num_classes": num_classes, "channels": list(channels)}
        )
        self.decoder = nn.ModuleList(
            UpBlock(wide, narrow) for wide, narrow in pairwise(reversed(channels))
        )


@register_model
def unet(**kwargs: Any) -> UNet:
    """U-Net of MALUNet's Table III: five levels, 32 to 512 channels."""
    return UNet(**kwargs)
