"""UNeXt: convolutions where the maps are large, tokenized shifted MLPs where they are small."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.blocks import create_block
from skinseg.blocks.layer_norm import LayerNorm2d
from skinseg.checkpoint import StateDict
from skinseg.models.base import SegmentationModel, init_conv
from skinseg.models.citation import Citation
from skinseg.models.conv_norm import ConvNorm
from skinseg.models.features import FeatureInfo
from skinseg.models.keymap import Rule, numbered, rename
from skinseg.models.stage_encoder import StageEncoder
from skinseg.registry import register_model

AUTHORS_NAMES: list[Rule] = [
    (r"^encoder(\d)\.", numbered("encoder.stages.{}.0.conv.")),
    (r"^ebn(\d)\.", numbered("encoder.stages.{}.0.norm.")),
    (r"^patch_embed(\d)\.proj\.", numbered("encoder.stages.{}.embed.", offset=0)),
    (r"^patch_embed(\d)\.norm\.", numbered("encoder.stages.{}.embed_norm.", offset=0)),
    (r"^block(\d)\.0\.", numbered("encoder.stages.{}.mlp.", offset=2)),
    (r"^norm(\d)\.", numbered("encoder.stages.{}.norm.", offset=0)),
    (r"^decoder5\.", "last."),
    (r"^decoder(\d)\.", numbered("decoder.{}.reduce.conv.")),
    (r"^dbn(\d)\.", numbered("decoder.{}.reduce.norm.")),
    (r"^dblock(\d)\.0\.", numbered("decoder.{}.mix.mlp.")),
    (r"^dnorm(\d)\.", numbered("decoder.{}.mix.norm.", offset=-3)),
    (r"^final\.", "head."),
    (r"\.norm2\.", ".norm."),
    (r"\.mlp\.fc1\.", ".expand."),
    (r"\.mlp\.dwconv\.dwconv\.", ".depthwise."),
    (r"\.mlp\.fc2\.", ".reduce."),
]


def conv_stage(in_chans: int, out_chans: int) -> nn.Sequential:
    """3x3 convolution, BatchNorm, 2x2 max-pooling, ReLU; halves H and W."""
    return nn.Sequential(
        ConvNorm(in_chans, out_chans, 3, bias=True, act=False), nn.MaxPool2d(2), nn.ReLU()
    )


class TokenMixer(nn.Sequential):
    """Tokenized shifted MLP and layer normalization; (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp = create_block("shifted_mlp", channels)
        self.norm = LayerNorm2d(channels, eps=1e-5)


class TokenizedStage(nn.Sequential):
    """Overlapping patch embedding of stride 2, then a mixer of the tokens.

    Shape:
        (B, C_in, H, W) -> (B, C_out, ceil(H / 2), ceil(W / 2)).
    """

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(in_chans, out_chans, 3, stride=2, padding=1)
        self.embed_norm = LayerNorm2d(out_chans, eps=1e-5)
        self.mlp = create_block("shifted_mlp", out_chans)
        self.norm = LayerNorm2d(out_chans, eps=1e-5)
        init_conv(self.embed)


class DecoderStage(nn.Module):
    """Convolution, BatchNorm, bilinear upsampling, ReLU; the skip added; a mixer of the tokens."""

    def __init__(self, in_chans: int, out_chans: int, mix: nn.Module) -> None:
        super().__init__()
        self.reduce = ConvNorm(in_chans, out_chans, 3, bias=True, act=False)
        self.mix = mix

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Bring ``x`` (B, C_in, h, w) to the skip's shape (B, C_out, H, W) and fuse them."""
        x = F.interpolate(self.reduce(x), size=skip.shape[-2:], mode="bilinear")
        mixed: torch.Tensor = self.mix(x.relu() + skip)
        return mixed


class UNeXt(SegmentationModel):
    """UNeXt: three stages of convolutions, two of tokenized shifted MLPs, additive skips.

    Source: Valanarasu and Patel, MICCAI 2022 (arXiv 2203.04967). Follows the authors' code, which
    differs from the paper in the block (see there). The S variant's 0.25 M parameters are the
    code's; the papers that print 0.30 to 0.32 M for it do not say of what.

    In training, BatchNorm needs more than one value per channel: a batch of one image must be
    40x32 or larger.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits.
        channels: Width of each of the five stages.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> UNeXt(channels=(4, 8, 8, 16, 16))(torch.randn(1, 3, 45, 50)).shape
        torch.Size([1, 1, 45, 50])
    """

    first_conv = "encoder.stages.0.0.conv"
    paper = Citation(
        key="valanarasu2022unext",
        title="UNeXt: MLP-based Rapid Medical Image Segmentation Network",
        authors=("Jeya Maria Jose Valanarasu", "Vishal M. Patel"),
        venue="Medical Image Computing and Computer-Assisted Intervention (MICCAI)",
        year=2022,
        arxiv="2203.04967",
    )
    align_corners = False

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        channels: Sequence[int] = (16, 32, 128, 160, 256),
    ) -> None:
        super().__init__(
            {"in_chans": in_chans, "num_classes": num_classes, "channels": list(channels)}
        )
        if len(channels) != 5:
            raise ValueError(f"channels must be five widths, not {channels}")
        makers = [conv_stage] * 3 + [TokenizedStage] * 2
        down = pairwise([in_chans, *channels])
        self.encoder = StageEncoder(
            make(narrow, wide) for make, (narrow, wide) in zip(makers, down, strict=True)
        )
        self.feature_info = FeatureInfo(
            channels, [2, 4, 8, 16, 32], [f"stages.{index}" for index in range(5)]
        )
        self.decoder = nn.ModuleList(
            DecoderStage(wide, narrow, TokenMixer(narrow) if index < 2 else nn.Identity())
            for index, (wide, narrow) in enumerate(pairwise(reversed(channels)))
        )
        self.last = nn.Conv2d(channels[0], channels[0], 3, padding=1)
        self.head = nn.Conv2d(channels[0], num_classes, 1)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Climb from the deepest map, adding the skips; then double the size once more."""
        *skips, x = features
        for stage, skip in zip(self.decoder, reversed(skips), strict=True):
            x = stage(x, skip)
        x = self.last(x)
        size = (2 * x.shape[-2], 2 * x.shape[-1])
        return F.interpolate(x, size=size, mode="bilinear").relu(), []

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the authors' code."""
        # The authors' fully connected layers are 1x1 convolutions here.
        return {
            key: value[:, :, None, None] if value.ndim == 2 else value
            for key, value in rename(state, AUTHORS_NAMES).items()
        }


@register_model
def unext(**kwargs: Any) -> UNeXt:
    """UNeXt as published: 1,471,921 parameters."""
    return UNeXt(**kwargs)


@register_model
def unext_s(**kwargs: Any) -> UNeXt:
    """UNeXt-S, the small variant of the authors' code: 253,561 parameters."""
    return UNeXt(**{"channels": (8, 16, 32, 64, 128), **kwargs})
