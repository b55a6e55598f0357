"""UTNetV2: a U-Net whose deeper stages exchange what they see with small semantic maps."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.models.base import SegmentationModel, upsample
from skinseg.models.bidirectional_attention import (
    BidirectionalBlock,
    NormActConv,
    SeparableConv,
)
from skinseg.models.citation import Citation
from skinseg.models.features import FeatureInfo
from skinseg.models.semantic_map import FUSION_HEADS, SemanticMapFusion, SemanticMapGeneration
from skinseg.registry import register_model

# Attention heads of the stages at 1/2 (which has no attention), 1/4, 1/8 and 1/16.
HEADS = (1, 4, 8, 16)
MAP_SOURCES = ("features", "previous")


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, BatchNorm and GELU before each, and a residual; keeps (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(*(NormActConv(channels, channels, 3) for _ in range(2)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve ``x`` (B, C, H, W)."""
        out: torch.Tensor = x + self.convs(x)
        return out


class PatchMerging(nn.Module):
    """Each 2x2 patch becomes one position with four times the channels; then a convolution.

    Source: Liu et al., ICCV 2021 (arXiv 2103.14030), with BatchNorm and a separable convolution.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out.

    Shape:
        (B, C_in, H, W) -> (B, C_out, ceil(H / 2), ceil(W / 2)); the last row and column of an odd
        side are repeated.
    """

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4 * in_chans)
        self.reduce = SeparableConv(4 * in_chans, out_chans)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Merge the patches of ``x`` (B, C_in, H, W)."""
        height, width = x.shape[-2:]
        # Of an even side the slices leave the repeated one out. Slices of padded maps cost an
        # exporter much less than a reshape of sides that it knows as sums of remainders.
        x = F.pad(x, (0, 1, 0, 1), mode="replicate")
        corners = [
            x[:, :, row : row + height : 2, column : column + width : 2]
            for column in (0, 1)
            for row in (0, 1)
        ]
        merged: torch.Tensor = self.reduce(self.norm(torch.cat(corners, dim=1)))
        return merged


def basic_blocks(channels: int, count: int) -> nn.Sequential:
    """Return ``count`` convolutional blocks."""
    return nn.Sequential(*(BasicBlock(channels) for _ in range(count)))


def transformer_blocks(channels: int, heads: int, expansion: int, count: int) -> nn.ModuleList:
    """Return ``count`` transformer blocks."""
    return nn.ModuleList(BidirectionalBlock(channels, heads, expansion) for _ in range(count))


class TransformerStage(nn.Module):
    """Patch merging, convolutions, then transformer blocks that exchange with a semantic map.

    Args:
        merge: Patch merging and convolutions, which make the stage's features.
        make_map: Module that makes its semantic map.
        source: Of what: ``"features"`` of this stage, or the map of the ``"previous"`` one.
        blocks: Transformer blocks.

    Shape:
        Features (B, C_in, H, W) and the semantic map (B, C_in, S, S) of the stage before, if any
        -> features (B, C, ceil(H / 2), ceil(W / 2)) and semantic map (B, C, S, S).
    """

    def __init__(
        self, merge: nn.Module, make_map: nn.Module, source: str, blocks: nn.ModuleList
    ) -> None:
        super().__init__()
        self.merge = merge
        self.make_map = make_map
        self.source = source
        self.blocks = blocks

    def forward(
        self, x: torch.Tensor, previous: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode ``x`` (B, C_in, H, W)."""
        x = self.merge(x)
        semantic = self.make_map(x if self.source == "features" else previous)
        for block in self.blocks:
            x, semantic = block(x, semantic)
        return x, semantic


class UTNetV2Encoder(nn.Module):
    """Stem, a stage of convolutions, and three that carry semantic maps; each halves H and W.

    Args:
        in_chans: Channels of the input.
        channels: Width of the stem, which each stage doubles.
        convs: Convolutional blocks of the four stages.
        transformers: Transformer blocks of the last three.
        map_size: Side S of the semantic maps.
        map_source: What the second and third semantic map are made of.
        expansion: Factor of the channels within the transformer blocks.

    Shape:
        (B, in_chans, H, W) -> feature maps at H, H/2, H/4, H/8 and H/16, then the semantic maps
        (B, C, S, S) of the last three.
    """

    def __init__(
        self,
        in_chans: int,
        channels: int,
        convs: Sequence[int],
        transformers: Sequence[int],
        map_size: int,
        map_source: str,
        expansion: int,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_chans, channels, 3, padding=1, bias=False), BasicBlock(channels)
        )
        widths = [channels << level for level in range(5)]
        merges = [
            nn.Sequential(PatchMerging(narrow, wide), *basic_blocks(wide, count))
            for (narrow, wide), count in zip(pairwise(widths), convs, strict=True)
        ]
        self.conv_stage = merges[0]
        self.stages = nn.ModuleList()
        for level, merge in enumerate(merges[1:], start=1):
            narrow, wide = widths[level : level + 2]
            source = "features" if level == 1 else map_source
            make_map = (
                SemanticMapGeneration(wide, map_size)
                if source == "features"
                else nn.Conv2d(narrow, wide, 1, bias=False)
            )
            blocks = transformer_blocks(wide, HEADS[level], expansion, transformers[level - 1])
            self.stages.append(TransformerStage(merge, make_map, source, blocks))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the feature maps of ``x``, finest first, then the semantic maps."""
        stem = self.stem(x)
        features = [stem, self.conv_stage(stem)]
        semantics: list[torch.Tensor] = []
        for stage in self.stages:
            x, semantic = stage(features[-1], semantics[-1] if semantics else None)
            features.append(x)
            semantics.append(semantic)
        return [*features, *semantics]


class Join(nn.Module):
    """Bilinear upsampling, the skip beside it, BatchNorm and a 1x1 convolution.

    Shape:
        (B, 2 * C, h, w) and the skip (B, C, H, W) -> (B, C, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = NormActConv(3 * channels, channels, 1, act=False)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Enlarge ``x`` to the skip's size and reduce both to its channels."""
        height, width = skip.shape[-2:]
        joined: torch.Tensor = self.reduce(torch.cat([upsample(x, (height, width)), skip], dim=1))
        return joined


class ConvDecoderStage(nn.Module):
    """The skip is joined, then convolutional blocks follow.

    Args:
        channels: Channels C of the skip and of the output.
        convs: Number of convolutional blocks.

    Shape:
        (B, 2 * C, h, w) and the skip (B, C, H, W) -> (B, C, H, W).
    """

    def __init__(self, channels: int, convs: int) -> None:
        super().__init__()
        self.join = Join(channels)
        self.convs = basic_blocks(channels, convs)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Decode ``x``."""
        out: torch.Tensor = self.convs(self.join(x, skip))
        return out


class TransformerDecoderStage(nn.Module):
    """Features and semantic map each join their skip; transformer, then convolutional blocks.

    Args:
        channels: Channels C of the skips and of the outputs.
        blocks: Transformer blocks.
        convs: Number of convolutional blocks.

    Shape:
        Features (B, 2 * C, h, w), their skip (B, C, H, W), semantic map (B, 2 * C, S, S) and its
        skip (B, C, S, S) -> features (B, C, H, W) and semantic map (B, C, S, S).
    """

    def __init__(self, channels: int, blocks: nn.ModuleList, convs: int) -> None:
        super().__init__()
        self.join = Join(channels)
        self.reduce_map = nn.Conv2d(3 * channels, channels, 1, bias=False)
        self.blocks = blocks
        self.convs = basic_blocks(channels, convs)

    def forward(
        self, x: torch.Tensor, skip: torch.Tensor, semantic: torch.Tensor, map_skip: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Decode ``x`` and ``semantic``."""
        x = self.join(x, skip)
        semantic = self.reduce_map(torch.cat([semantic, map_skip], dim=1))
        for block in self.blocks:
            x, semantic = block(x, semantic)
        return self.convs(x), semantic


class UTNetV2(SegmentationModel):
    """UTNetV2: convolutions at full and half size, bidirectional attention at the deeper scales.

    Source: Gao et al. (arXiv 2203.00131, whose later versions call it MedFormer) and the authors'
    two-dimensional code. The defaults are its settings for the ACDC data set.

    Three 1x1 convolutions of that code do not affect its output, which needs no semantic map at
    the end: two after the last stage that has one, and one in the last transformer block. They are
    here for the number of parameters, and no gradient is asked of them.

    In training, BatchNorm needs more than one value per channel: with a batch of one image,
    ``map_size`` must be above 1.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits.
        channels: Width at the input's size, which each of four stages doubles.
        convs: Convolutional blocks of the four stages. The decoder's are the same, and those of
            the first stage also at the input's size.
        transformers: Transformer blocks of the last three stages, and of the decoder's first two.
        map_size: Side of the semantic maps.
        map_source: What the semantic maps at 1/8 and 1/16 are made of: ``"features"`` of their
            stage, or the map of the ``"previous"`` one, as in older versions of the code.
        expansion: Factor of the channels within the transformer blocks' inverted residuals.
        fusion_dim: Width of the transformer that joins the semantic maps; a multiple of 16.
        fusion_depth: Number of its layers.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> UTNetV2(channels=4, fusion_dim=16)(torch.randn(2, 3, 45, 50)).shape
        torch.Size([2, 1, 45, 50])
    """

    paper = Citation(
        key="gao2022utnetv2",
        title="A Data-scalable Transformer for Medical Image Segmentation: "
        "Architecture, Model Efficiency, and Benchmark",
        authors=(
            "Yunhe Gao",
            "Mu Zhou",
            "Di Liu",
            "Zhennan Yan",
            "Shaoting Zhang",
            "Dimitris N. Metaxas",
        ),
        year=2022,
        arxiv="2203.00131",
    )

    first_conv = "encoder.stem.0"

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        channels: int = 32,
        convs: Sequence[int] = (2, 0, 0, 0),
        transformers: Sequence[int] = (2, 2, 2),
        map_size: int = 3,
        map_source: str = "features",
        expansion: int = 2,
        fusion_dim: int = 512,
        fusion_depth: int = 2,
    ) -> None:
        numbers = {
            "channels": channels,
            "map_size": map_size,
            "expansion": expansion,
            "fusion_dim": fusion_dim,
            "fusion_depth": fusion_depth,
        }
        config = {
            "in_chans": in_chans,
            "num_classes": num_classes,
            "convs": list(convs),
            "transformers": list(transformers),
            "map_source": map_source,
            **numbers,
        }
        super().__init__(config)
        for name, number in numbers.items():
            if not isinstance(number, int) or number < 1:
                raise ValueError(f"{name} must be a positive integer, not {number!r}")
        if fusion_dim % FUSION_HEADS:
            raise ValueError(f"fusion_dim must be a multiple of {FUSION_HEADS}, not {fusion_dim}")
        if len(convs) != 4:
            raise ValueError(f"convs must be four numbers, not {convs}")
        if len(transformers) != 3 or min(transformers) < 1:
            raise ValueError(f"transformers must be three positive numbers, not {transformers}")
        if map_source not in MAP_SOURCES:
            raise ValueError(f"map_source must be one of {MAP_SOURCES}, not {map_source!r}")

        self.encoder = UTNetV2Encoder(
            in_chans, channels, convs, transformers, map_size, map_source, expansion
        )
        full, half, quarter, eighth, sixteenth = (channels << level for level in range(5))
        # A stage's features are what its last transformer block gives beside the semantic map.
        modules = [f"stages.{i}.blocks.{n - 1}.mlp" for i, n in enumerate(transformers)]
        self.feature_info = FeatureInfo(
            [full, half, quarter, eighth, sixteenth],
            [1, 2, 4, 8, 16],
            ["stem", "conv_stage", *modules],
        )
        self.fusion = SemanticMapFusion([quarter, eighth, sixteenth], fusion_dim, fusion_depth)
        decoder_blocks = [
            transformer_blocks(
                channels << level, HEADS[level - 1], expansion, transformers[level - 2]
            )
            for level in (3, 2)
        ]
        self.transformer_decoder = nn.ModuleList(
            TransformerDecoderStage(width, blocks, count)
            for width, blocks, count in zip(
                (eighth, quarter), decoder_blocks, (convs[2], convs[1]), strict=True
            )
        )
        self.conv_decoder = nn.ModuleList(
            ConvDecoderStage(width, convs[0]) for width in (half, full)
        )
        self.unused = nn.ModuleList(
            nn.Conv2d(2 * width, width, 1, bias=False) for width in (half, full)
        )
        self.unused.requires_grad_(False)
        decoder_blocks[-1][-1].get_submodule("attention.map_project").requires_grad_(False)
        self.head = nn.Conv2d(full, num_classes, 1)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Climb from the deepest feature map and the fused semantic maps."""
        *skips, x = features[: len(self.feature_info)]
        *map_skips, semantic = self.fusion(features[len(self.feature_info) :])
        for stage in self.transformer_decoder:
            x, semantic = stage(x, skips.pop(), semantic, map_skips.pop())
        for stage in self.conv_decoder:
            x = stage(x, skips.pop())
        return x, []


@register_model
def utnetv2(**kwargs: Any) -> UTNetV2:
    """UTNetV2 with its authors' settings for ACDC: 19,187,521 parameters."""
    return UTNetV2(**kwargs)


@register_model
def utnetv2_small(**kwargs: Any) -> UTNetV2:
    """UTNetV2 of MALUNet's and EGE-UNet's tables: 12,800,385 parameters."""
    smaller = {
        "convs": (2, 1, 0, 0),
        "transformers": (1, 2, 2),
        "map_source": "previous",
        "expansion": 1,
    }
    return UTNetV2(**{**smaller, **kwargs})
