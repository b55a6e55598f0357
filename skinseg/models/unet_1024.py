"""UNet-1024: the U-Net of LMSAUNet's comparison, with strided convolutions in place of pooling."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.checkpoint import StateDict
from skinseg.models.authors import IMAGENET, AuthorsCode
from skinseg.models.base import SegmentationModel
from skinseg.models.features import FeatureInfo
from skinseg.models.keymap import Rule, numbered, rename
from skinseg.models.stage_encoder import StageEncoder
from skinseg.models.unet import UNet
from skinseg.registry import register_model

LEVELS = 5


def _conv_name(match: re.Match[str]) -> str:
    level, second = divmod(int(match[1]) - 1, 2)
    if level >= LEVELS:
        return f"decoder.{level - LEVELS}.fuse.{second}."
    # A stage below the first begins with the convolution that halves the map.
    return f"encoder.stages.{level}.{second + (level > 0)}."


AUTHORS_NAMES: list[Rule] = [
    (r"^con(\d+)\.", _conv_name),
    (r"^down(\d)\.", numbered("encoder.stages.{}.0.", 0)),
    (r"^up(\d)\.", numbered("decoder.{}.reduce.")),
    (r"\.layer\.0\.", ".conv."),
    (r"\.layer\.1\.", ".norm."),
    (r"^out\.", "head."),
]


def _arguments(state: StateDict) -> dict[str, Any]:
    first = state[f"{StridedUNet.first_conv}.weight"]
    deeper = [len(state[f"encoder.stages.{n}.1.conv.weight"]) for n in range(1, LEVELS)]
    return {
        "in_chans": first.shape[1],
        "num_classes": len(state["head.weight"]),
        "channels": [len(first), *deeper],
    }


class ReflectConv(nn.Sequential):
    """3x3 convolution with reflected borders, BatchNorm, LeakyReLU.

    Shape:
        (B, C_in, H, W) -> (B, C_out, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_chans: int, out_chans: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_chans, out_chans, 3, stride=stride, padding=1, padding_mode="reflect"
        )
        self.norm = nn.BatchNorm2d(out_chans)
        self.act = nn.LeakyReLU(inplace=True)


class DecoderStage(nn.Module):
    """Bilinear upsampling and a convolution; the skip beside it; two more convolutions."""

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        self.reduce = ReflectConv(in_chans, out_chans)
        self.fuse = nn.Sequential(
            ReflectConv(2 * out_chans, out_chans), ReflectConv(out_chans, out_chans)
        )

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Bring (B, C_in, h, w) to the skip's size and fuse it with the skip (B, C_out, H, W)."""
        x = self.reduce(F.interpolate(x, size=skip.shape[-2:], mode="bilinear"))
        fused: torch.Tensor = self.fuse(torch.cat([skip, x], dim=1))
        return fused


class StridedUNet(SegmentationModel):
    """U-Net of five levels whose convolutions halve the maps, and reflect them at the borders.

    Source: Ronneberger et al., MICCAI 2015 (arXiv 1505.04597), as in the public code of LMSAUNet's
    comparison (Sci Rep 15, 34327, 2025). That code passes the logits through a sigmoid and then a
    softmax; here they are logits.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits. The paper has two (background, lesion).
        channels: Width of each of the five levels.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> StridedUNet(channels=(4, 4, 8, 8, 8))(torch.randn(1, 3, 45, 50)).shape
        torch.Size([1, 1, 45, 50])
    """

    paper = UNet.paper

    first_conv = "encoder.stages.0.0.conv"
    align_corners = False

    authors_code = AuthorsCode("unet_1024", r"con10\.layer\.", 224, IMAGENET, _arguments)

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        channels: Sequence[int] = (64, 128, 256, 512, 1024),
    ) -> None:
        super().__init__(
            {"in_chans": in_chans, "num_classes": num_classes, "channels": list(channels)}
        )
        if len(channels) != LEVELS:
            raise ValueError(f"channels must be five widths, not {channels}")
        first = nn.Sequential(
            ReflectConv(in_chans, channels[0]), ReflectConv(channels[0], channels[0])
        )
        deeper = (
            nn.Sequential(
                ReflectConv(narrow, narrow, stride=2),
                ReflectConv(narrow, wide),
                ReflectConv(wide, wide),
            )
            for narrow, wide in pairwise(channels)
        )
        self.encoder = StageEncoder([first, *deeper])
        levels = range(LEVELS)
        self.feature_info = FeatureInfo(
            channels, [2**level for level in levels], [f"stages.{level}" for level in levels]
        )
        self.decoder = nn.ModuleList(
            DecoderStage(wide, narrow) for wide, narrow in pairwise(reversed(channels))
        )
        self.head = nn.Conv2d(channels[0], num_classes, 3, padding=1, padding_mode="reflect")

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Climb from the deepest level, fusing at each its skip."""
        *skips, x = features
        for stage, skip in zip(self.decoder, reversed(skips), strict=True):
            x = stage(x, skip)
        return x, []

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the comparison's U-Net."""
        return rename(state, AUTHORS_NAMES)


@register_model
def unet_1024(**kwargs: Any) -> StridedUNet:
    """U-Net of LMSAUNet's comparison: 64 to 1024 channels (37,664,450 with two classes)."""
    return StridedUNet(**kwargs)
