"""The six-stage U-shape of MALUNet, EGE-UNet and the networks that were made from them."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.blocks import create_block
from skinseg.blocks.channels import norm_groups
from skinseg.checkpoint import StateDict
from skinseg.models.base import SegmentationModel, upsample
from skinseg.models.features import FeatureInfo
from skinseg.models.stage_encoder import StageEncoder

CHANNELS = (8, 16, 24, 32, 48, 64)
REDUCTIONS = (2, 4, 8, 16, 32, 32)

StageBlock = Callable[[int, int], nn.Module]


def conv3x3(in_chans: int, out_chans: int) -> nn.Module:
    """Return the plain stage of the shallow levels: one 3x3 convolution with bias."""
    return nn.Conv2d(in_chans, out_chans, 3, padding=1)


def block(name: str, **options: Any) -> StageBlock:
    """Return the maker of a stage that is one attention block."""
    return partial(create_block, name, **options)


def norm_layer(kind: str, channels: int) -> nn.Module:
    """Return the stages' normalization: ``"group"`` as published, or ``"batch"``."""
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(norm_groups(channels), channels)


def six_stage_arguments(state: StateDict, sixth_width: str) -> dict[str, Any]:
    """Read the constructor's arguments off the shapes of a six-stage network's weights.

    Args:
        state: Weights in this package's names.
        sixth_width: Name of a weight whose input is the sixth stage's map, which has no norm, or
            of a normalization of that map.
    """
    arguments = {
        "in_chans": state[f"{SixStageUNet.first_conv}.weight"].shape[1],
        "num_classes": len(state["head.weight"]),
    }
    widths = [len(state[f"encoder.stages.{stage}.norm.weight"]) for stage in range(5)]
    sixth = state[sixth_width].shape
    return {**arguments, "channels": [*widths, sixth[0] if len(sixth) == 1 else sixth[1]]}


class EncoderStage(nn.Module):
    """Block, normalization, 2x2 max-pooling, GELU; the deepest stage only block and GELU."""

    def __init__(self, block: nn.Module, norm: nn.Module, *, deepest: bool) -> None:
        super().__init__()
        self.block = block
        self.norm = nn.Identity() if deepest else norm
        self.pool = nn.Identity() if deepest else nn.MaxPool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H // 2, W // 2), the deepest to the same size."""
        return F.gelu(self.pool(self.norm(self.block(x))))


class DecoderStage(nn.Module):
    """Block, normalization, bilinear upsampling to the skip's size (the deepest without), GELU."""

    def __init__(self, block: nn.Module, norm: nn.Module, *, deepest: bool) -> None:
        super().__init__()
        self.block = block
        self.norm = norm
        self.deepest = deepest

    def forward(self, x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
        """Map (B, C_in, h, w) to (B, C_out, *size)."""
        x = self.norm(self.block(x))
        return F.gelu(x if self.deepest else upsample(x, size))


class SixStageEncoder(StageEncoder):
    """Three stages of plain convolutions, three of ``deep_block``.

    Shape:
        (B, in_chans, H, W) -> maps at H/2, H/4, H/8, H/16, H/32 and H/32.
    """

    def __init__(
        self, in_chans: int, channels: Sequence[int], deep_block: StageBlock, norm: str
    ) -> None:
        makers = [conv3x3] * 3 + [deep_block] * 3
        widths = list(pairwise([in_chans, *channels]))
        super().__init__(
            EncoderStage(make(narrow, wide), norm_layer(norm, wide), deepest=index == 5)
            for index, (make, (narrow, wide)) in enumerate(zip(makers, widths, strict=True))
        )


class SixStageUNet(SegmentationModel):
    """Six-stage U-shape with additive skips: stage blocks and bridge are all that varies.

    Args:
        config: The subclass's constructor arguments, ``in_chans``, ``num_classes`` and
            ``channels`` among them.
        encoder_block: Maker of encoder stages 4 to 6.
        decoder_block: Maker of decoder stages 1 to 3.
        bridge: Module that maps the list of the five skips to as many attended ones, or None.
        norm: ``"group"`` or ``"batch"``.

    Raises:
        ValueError: If there are not six widths, or one is below 4.
    """

    first_conv = "encoder.stages.0.block"

    def __init__(
        self,
        config: dict[str, Any],
        *,
        encoder_block: StageBlock = conv3x3,
        decoder_block: StageBlock = conv3x3,
        bridge: nn.Module | None = None,
        norm: str = "group",
    ) -> None:
        super().__init__(config)
        channels = config["channels"]
        if len(channels) != 6 or min(channels) < 4:
            raise ValueError(f"channels must be six widths of 4 or more, not {channels}")
        self.encoder = SixStageEncoder(self.in_chans, channels, encoder_block, norm)
        self.feature_info = FeatureInfo(
            channels, REDUCTIONS, [f"stages.{index}" for index in range(6)]
        )
        self.bridge = bridge
        makers = [decoder_block] * 3 + [conv3x3] * 2
        widths = list(pairwise(reversed(channels)))
        self.decoder = nn.ModuleList(
            DecoderStage(make(wide, narrow), norm_layer(norm, narrow), deepest=index == 0)
            for index, (make, (wide, narrow)) in enumerate(zip(makers, widths, strict=True))
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
