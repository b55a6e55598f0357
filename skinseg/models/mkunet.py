"""MK-UNet: depthwise convolutions of several sizes, attention and gated skips."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.blocks import create_block
from skinseg.blocks.spatial_gate import SpatialGate
from skinseg.checkpoint import StateDict
from skinseg.models.base import SegmentationModel
from skinseg.models.citation import Citation
from skinseg.models.features import FeatureInfo
from skinseg.models.keymap import Rule, numbered, rename
from skinseg.models.stage_encoder import StageEncoder
from skinseg.registry import register_model

# Between the 1x1 convolutions of the first block: the authors' twice as many as an RGB image has,
# kept for any number of channels, so that only first_conv depends on it.
FIRST_HIDDEN = 6

# By how much the channel attention of each decoder stage narrows its channels, deepest first.
REDUCTIONS = (16, 16, 16, 8, 4)

AUTHORS_NAMES: list[Rule] = [
    (r"^encoder(\d)\.0\.", numbered("encoder.stages.{}.block.")),
    (r"^decoder(\d)\.0\.", numbered("decoder.{}.block.")),
    (r"^CA(\d)\.fc1\.", numbered("decoder.{}.attention.reduce.")),
    (r"^CA(\d)\.fc2\.", numbered("decoder.{}.attention.expand.")),
    (r"^AG(\d)\.", numbered("gates.{}.")),
    (r"^SA\.", "spatial_gate."),
    (r"^out4\.", "head."),
    (r"^out(\d)\.", numbered("aux_heads.{}.")),
    (r"\.W_g\.", ".gate."),
    (r"\.W_x\.", ".skip."),
    (r"\.multi_scale_dwconv\.dwconvs\.", ".depthwise."),
    (r"\.pconv1\.", ".expand."),
    (r"\.pconv2\.", ".reduce."),
    (r"\.conv1x1\.", ".shortcut."),
    (r"\.block\.(expand|reduce|depthwise\.\d)\.0\.", r".block.\1.conv."),
    (r"\.block\.(expand|reduce|depthwise\.\d)\.1\.", r".block.\1.norm."),
]


class Stage(nn.Sequential):
    """Multi-kernel block and 2x2 max-pooling; (B, C_in, H, W) -> (B, C_out, H // 2, W // 2)."""

    def __init__(self, in_chans: int, out_chans: int, **options: Any) -> None:
        super().__init__()
        self.block = create_block("mkir", in_chans, out_chans, **options)
        self.pool = nn.MaxPool2d(2)


class ChannelGate(nn.Module):
    """One weight in (0, 1) per channel, from all channels' mean and maximum.

    Shape:
        (B, C, H, W) -> (B, C, 1, 1).
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.reduce = nn.Conv2d(channels, hidden, 1, bias=False)
        self.expand = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Weigh the channels of ``x`` (B, C, H, W)."""
        pooled = (x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True))
        mean, maximum = (self.expand(self.reduce(values).relu()) for values in pooled)
        weights: torch.Tensor = (mean + maximum).sigmoid()
        return weights


class GroupedAttentionGate(nn.Module):
    """Grouped Attention Gate (GAG): weighs the positions of a skip by the decoder's map.

    Shape:
        Two maps (B, C, H, W) -> (B, C, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // 2)
        groups = math.gcd(channels, hidden)
        self.gate, self.skip = (
            nn.Sequential(
                nn.Conv2d(channels, hidden, 3, padding=1, groups=groups), nn.BatchNorm2d(hidden)
            )
            for _ in range(2)
        )
        self.psi = nn.Sequential(nn.Conv2d(hidden, 1, 1), nn.BatchNorm2d(1))

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Return the skip with weighed positions."""
        weights: torch.Tensor = self.psi((self.gate(x) + self.skip(skip)).relu())
        return skip * weights.sigmoid()


class DecoderStage(nn.Module):
    """Channel attention, spatial attention, multi-kernel block, bilinear upsampling, ReLU.

    Source: the Multi-Kernel Inverted Residual Attention (MKIRA) of MK-UNet, Section 3. One
    spatial gate serves all stages.
    """

    def __init__(self, in_chans: int, out_chans: int, reduction: int) -> None:
        super().__init__()
        self.attention = ChannelGate(in_chans, reduction)
        self.block = create_block("mkir", in_chans, out_chans)

    def forward(self, x: torch.Tensor, gate: nn.Module, size: Sequence[int]) -> torch.Tensor:
        """Map (B, C_in, h, w) to (B, C_out, *size)."""
        x = x * self.attention(x)
        x = self.block(x * gate(x))
        return F.interpolate(x, size=size, mode="bilinear").relu()


class MKUNet(SegmentationModel):
    """MK-UNet: multi-kernel blocks on a U-shape of five levels, with gated additive skips.

    Source: Rahman and Marculescu, ICCVW 2025 (arXiv 2509.18493).

    In training, BatchNorm needs more than one value per channel: a batch of one image must be
    64x32 or larger.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits. The auxiliary heads always have one: lesion or not.
        channels: Width of each of the five levels.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> logits, aux = MKUNet()(torch.randn(2, 3, 64, 50), return_aux=True)
        >>> logits.shape, len(aux), aux[0].shape
        (torch.Size([2, 1, 64, 50]), 3, torch.Size([2, 1, 64, 50]))
    """

    paper = Citation(
        key="rahman2025mkunet",
        title="MK-UNet: Multi-kernel Lightweight CNN for Medical Image Segmentation",
        authors=("Md Mostafijur Rahman", "Radu Marculescu"),
        year=2025,
        arxiv="2509.18493",
    )

    # The first block sees the input twice: in its path and in its residual.
    first_conv = ("encoder.stages.0.block.expand.conv", "encoder.stages.0.block.shortcut")
    align_corners = False
    num_aux = 3

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        channels: Sequence[int] = (16, 32, 64, 96, 160),
    ) -> None:
        super().__init__(
            {"in_chans": in_chans, "num_classes": num_classes, "channels": list(channels)}
        )
        if len(channels) != 5:
            raise ValueError(f"channels must be five widths, not {channels}")
        # The first residual is projected even where the widths are equal: see FIRST_HIDDEN.
        first = Stage(in_chans, channels[0], hidden_chans=FIRST_HIDDEN, project=True)
        self.encoder = StageEncoder([first, *(Stage(*widths) for widths in pairwise(channels))])
        self.feature_info = FeatureInfo(
            channels, [2 << level for level in range(5)], [f"stages.{level}" for level in range(5)]
        )
        up = list(pairwise([*reversed(channels), channels[0]]))
        self.decoder = nn.ModuleList(
            DecoderStage(wide, narrow, reduction)
            for (wide, narrow), reduction in zip(up, REDUCTIONS, strict=True)
        )
        self.spatial_gate = SpatialGate(bias=False)
        skips = list(reversed(channels[:-1]))
        self.gates = nn.ModuleList(GroupedAttentionGate(width) for width in skips)
        self.aux_heads = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in skips[1:])
        self.head = nn.Conv2d(channels[0], num_classes, 1)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Climb from the deepest map, adding the gated skips."""
        *skips, x = features
        aux = []
        for index, skip in enumerate(reversed(skips)):
            x = self.decoder[index](x, self.spatial_gate, skip.shape[-2:])
            if index:
                aux.append(self.aux_heads[index - 1](x))
            x = x + self.gates[index](x, skip)
        size = [2 * side for side in x.shape[-2:]]
        return self.decoder[-1](x, self.spatial_gate, size), aux

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the authors' code."""
        return rename(state, AUTHORS_NAMES)


@register_model
def mkunet(**kwargs: Any) -> MKUNet:
    """MK-UNet as published: 315,566 parameters."""
    return MKUNet(**kwargs)


@register_model
def mkunet_s(**kwargs: Any) -> MKUNet:
    """MK-UNet-S, the small variant: 93,050 parameters."""
    return MKUNet(**{"channels": (8, 16, 32, 48, 80), **kwargs})


@register_model
def mkunet_t(**kwargs: Any) -> MKUNet:
    """MK-UNet-T, the tiny variant: 27,384 parameters."""
    return MKUNet(**{"channels": (4, 8, 16, 24, 32), **kwargs})
