"""The six-stage U-shape that BasicUNet, MALUNet, EGE-UNet and their ablations share."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.blocks import ChannelSpatialAttentionBridge, create_block
from skinseg.blocks.channels import norm_groups
from skinseg.models.base import SegmentationModel, init_conv, upsample
from skinseg.models.features import FeatureInfo

CHANNELS = (8, 16, 24, 32, 48, 64)
REDUCTIONS = (2, 4, 8, 16, 32, 32)

StageBlock = Callable[[int, int], nn.Module]


def conv3x3(in_chans: int, out_chans: int) -> nn.Module:
    """Return the plain stage of the shallow levels: one 3x3 convolution with bias."""
    return nn.Conv2d(in_chans, out_chans, 3, padding=1)


def _iea_then_dga(in_chans: int, out_chans: int) -> nn.Module:
    return nn.Sequential(create_block("iea", in_chans), create_block("dga", in_chans, out_chans))


def _dga_then_iea(in_chans: int, out_chans: int) -> nn.Module:
    return nn.Sequential(create_block("dga", in_chans, out_chans), create_block("iea", out_chans))


def _ghpa(in_chans: int, out_chans: int) -> nn.Module:
    return create_block("ghpa", in_chans, out_chans)


# What stands in encoder stages 4 to 6 and in decoder stages 1 to 3: each pair keeps the
# attention at the narrower width, which is how the papers' parameter counts come out.
DEEP_STAGES: dict[str, tuple[StageBlock, StageBlock]] = {
    "conv": (conv3x3, conv3x3),
    "iea-dga": (_iea_then_dga, _dga_then_iea),
    "ghpa": (_ghpa, _ghpa),
}


class EncoderStage(nn.Module):
    """Block, GroupNorm, 2x2 max-pooling, GELU; the deepest stage only block and GELU."""

    def __init__(self, block: nn.Module, out_chans: int, *, deepest: bool) -> None:
        super().__init__()
        self.block = block
        self.norm = nn.Identity() if deepest else nn.GroupNorm(norm_groups(out_chans), out_chans)
        self.pool = nn.Identity() if deepest else nn.MaxPool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H // 2, W // 2), the deepest to the same size."""
        return F.gelu(self.pool(self.norm(self.block(x))))


class DecoderStage(nn.Module):
    """Block, GroupNorm, bilinear upsampling to the skip's size (the deepest without), GELU."""

    def __init__(self, block: nn.Module, out_chans: int, *, deepest: bool) -> None:
        super().__init__()
        self.block = block
        self.norm = nn.GroupNorm(norm_groups(out_chans), out_chans)
        self.deepest = deepest

    def forward(self, x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Map (B, C_in, h, w) to (B, C_out, *size)."""
        x = self.norm(self.block(x))
        return F.gelu(x if self.deepest else upsample(x, size))


class SixStageEncoder(nn.Module):
    """Three stages of plain convolutions, three of ``deep_block``; returns all six maps."""

    def __init__(self, in_chans: int, channels: Sequence[int], deep_block: StageBlock) -> None:
        super().__init__()
        widths = [in_chans, *channels]
        last = len(channels) - 1
        self.stages = nn.ModuleList(
            EncoderStage(
                (conv3x3 if index < 3 else deep_block)(widths[index], widths[index + 1]),
                widths[index + 1],
                deepest=index == last,
            )
            for index in range(len(channels))
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps of (B, in_chans, H, W) at H/2, H/4, H/8, H/16, H/32 and H/32."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class SixStageUNet(SegmentationModel):
    """Six-stage U-shape with additive skips: stage blocks and bridge are all that varies.

    Args:
        config: The subclass's constructor arguments, ``in_chans``, ``num_classes`` and
            ``channels`` among them.
        deep_stage: Key of :data:`DEEP_STAGES`.
        bridge: Module that maps the list of the five skips to as many attended ones, or None.

    Raises:
        ValueError: If there are not six widths, or one is below 4.
    """

    first_conv = "encoder.stages.0.block"

    def __init__(
        self, config: dict[str, Any], *, deep_stage: str, bridge: nn.Module | None = None
    ) -> None:
        super().__init__(config)
        channels = config["channels"]
        if len(channels) != 6 or min(channels) < 4:
            raise ValueError(f"channels must be six widths of 4 or more, not {channels}")
        encoder_block, decoder_block = DEEP_STAGES[deep_stage]
        self.encoder = SixStageEncoder(self.in_chans, channels, encoder_block)
        self.feature_info = FeatureInfo(
            channels, REDUCTIONS, [f"stages.{index}" for index in range(6)]
        )
        self.bridge = bridge
        narrowing = list(reversed(channels))
        self.decoder = nn.ModuleList(
            DecoderStage(
                (decoder_block if index < 3 else conv3x3)(narrowing[index], narrowing[index + 1]),
                narrowing[index + 1],
                deepest=index == 0,
            )
            for index in range(5)
        )
        self.head = nn.Conv2d(channels[0], self.num_classes, 1)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Climb from the deepest map, adding at each stage its skip as the bridge gives it."""
        *skips, x = features
        if self.bridge is not None:
            skips = self.bridge(skips)
        for stage, skip in zip(self.decoder, reversed(skips), strict=True):
            x = stage(x, skip.shape[-2:]) + skip
        return x, []


def channel_spatial_bridge(channels: Sequence[int]) -> nn.Module:
    """Return MALUNet's bridge over the five skips of a network with these six widths."""
    return ChannelSpatialAttentionBridge(channels[:5])


def initialise(model: SixStageUNet) -> None:
    """Draw a six-stage network's first weights as the authors do."""
    model.apply(init_conv)
