"""CMUNeXt: large depthwise kernels and fused skips on the shape of U-Net."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.blocks import create_block
from skinseg.blocks.cmunext import ConvGELUNorm
from skinseg.checkpoint import StateDict
from skinseg.models.base import SegmentationModel
from skinseg.models.citation import Citation
from skinseg.models.conv_norm import ConvNorm
from skinseg.models.features import FeatureInfo
from skinseg.models.keymap import Rule, numbered, rename
from skinseg.models.stage_encoder import StageEncoder
from skinseg.registry import register_model


def _unit(*names: str, first: int = 0) -> Callable[[re.Match[str]], str]:
    """Replacement for the authors' running number of a convolution, GELU or BatchNorm."""

    def replacement(match: re.Match[str]) -> str:
        unit, layer = divmod(int(match[2]) - first, 3)
        return f"{match[1]}.{names[unit]}.{('conv', 'act', 'norm')[layer]}."

    return replacement


AUTHORS_NAMES: list[Rule] = [
    (r"^stem\.conv\.", "encoder.stages.0.stem."),
    (r"^encoder(\d)\.block\.", numbered("encoder.stages.{}.block.layers.")),
    (r"^encoder(\d)\.up\.conv\.", numbered("encoder.stages.{}.widen.")),
    (r"^Up(\d)\.up\.1\.", numbered("decoder.{}.widen.0.", offset=5, sign=-1)),
    (r"^Up(\d)\.up\.2\.", numbered("decoder.{}.widen.1.", offset=5, sign=-1)),
    (r"^Up_conv(\d)\.conv\.", numbered("decoder.{}.fuse.", offset=5, sign=-1)),
    (r"\.(stem|widen)\.0\.", r".\1.conv."),
    (r"\.(stem|widen)\.1\.", r".\1.norm."),
    (r"(\.layers\.\d)\.0\.fn\.(\d)\.", _unit("depthwise")),
    (r"(\.layers\.\d)\.(\d)\.", _unit("expand", "reduce", first=1)),
    (r"(\.fuse)\.(\d)\.", _unit("grouped", "expand", "reduce")),
    (r"^Conv_1x1\.", "head."),
]


class Stage(nn.Sequential):
    """CMUNeXt block and 3x3 convolution, after a stem in the first stage, a pooling in others.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), or (B, C_out, H // 2, W // 2) with pooling.
    """

    def __init__(
        self, in_chans: int, out_chans: int, *, stem: bool, depth: int, kernel_size: int
    ) -> None:
        super().__init__()
        if stem:
            self.stem = ConvNorm(in_chans, out_chans, 3, bias=True)
            in_chans = out_chans
        else:
            self.pool = nn.MaxPool2d(2)
        self.block = create_block("cmunext", in_chans, depth=depth, kernel_size=kernel_size)
        self.widen = ConvNorm(in_chans, out_chans, 3, bias=True)


class SkipFusion(nn.Module):
    """Skip-Fusion block: a grouped convolution for each of the two maps, then a bottleneck."""

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        self.widen = ConvNorm(in_chans, out_chans, 3, bias=True)
        self.fuse = nn.Sequential()
        self.fuse.grouped = ConvGELUNorm(2 * out_chans, 2 * out_chans, 3, groups=2)
        self.fuse.expand = ConvGELUNorm(2 * out_chans, 4 * out_chans, 1)
        self.fuse.reduce = ConvGELUNorm(4 * out_chans, out_chans, 1)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Bring ``x`` (B, C_in, h, w) to the skip's shape (B, C_out, H, W) and fuse them."""
        x = self.widen(F.interpolate(x, size=skip.shape[-2:], mode="bilinear"))
        fused: torch.Tensor = self.fuse(torch.cat([skip, x], dim=1))
        return fused


class CMUNeXt(SegmentationModel):
    """CMUNeXt: five levels of large depthwise kernels, with fused skips.

    Source: Tang et al., ISBI 2024 (arXiv 2308.01239).

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits.
        channels: Width of each of the five levels.
        depths: Layers in the CMUNeXt block of each level.
        kernel_sizes: Odd size of each level's depthwise kernels.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> CMUNeXt(channels=(4, 8, 8, 16, 16))(torch.randn(1, 3, 45, 50)).shape
        torch.Size([1, 1, 45, 50])
    """

    paper = Citation(
        key="tang2024cmunext",
        title="CMUNeXt: An Efficient Medical Image Segmentation Network based on "
        "Large Kernel and Skip Fusion",
        authors=(
            "Fenghe Tang",
            "Jianrui Ding",
            "Quan Quan",
            "Lingtao Wang",
            "Chunping Ning",
            "S. Kevin Zhou",
        ),
        venue="IEEE International Symposium on Biomedical Imaging (ISBI)",
        year=2024,
        arxiv="2308.01239",
    )

    first_conv = "encoder.stages.0.stem.conv"

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        channels: Sequence[int] = (16, 32, 128, 160, 256),
        depths: Sequence[int] = (1, 1, 1, 3, 1),
        kernel_sizes: Sequence[int] = (3, 3, 7, 7, 7),
    ) -> None:
        levels = {"channels": channels, "depths": depths, "kernel_sizes": kernel_sizes}
        super().__init__(
            {
                "in_chans": in_chans,
                "num_classes": num_classes,
                **{name: list(values) for name, values in levels.items()},
            }
        )
        for name, values in levels.items():
            if len(values) != 5:
                raise ValueError(f"{name} must be five numbers, one per level, not {values}")
        self.encoder = StageEncoder(
            Stage(narrow, wide, stem=level == 0, depth=depth, kernel_size=kernel_size)
            for level, ((narrow, wide), depth, kernel_size) in enumerate(
                zip(pairwise([in_chans, *channels]), depths, kernel_sizes, strict=True)
            )
        )
        self.feature_info = FeatureInfo(
            channels, [1, 2, 4, 8, 16], [f"stages.{level}" for level in range(5)]
        )
        self.decoder = nn.ModuleList(
            SkipFusion(wide, narrow) for wide, narrow in pairwise(reversed(channels))
        )
        self.head = nn.Conv2d(channels[0], num_classes, 1)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Climb from the deepest level, fusing at each its skip."""
        *skips, x = features
        for block, skip in zip(self.decoder, reversed(skips), strict=True):
            x = block(x, skip)
        return x, []

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the authors' code."""
        return rename(state, AUTHORS_NAMES)


@register_model
def cmunext(**kwargs: Any) -> CMUNeXt:
    """CMUNeXt as published: 3,149,185 parameters."""
    return CMUNeXt(**kwargs)


@register_model
def cmunext_s(**kwargs: Any) -> CMUNeXt:
    """CMUNeXt-S, the small variant: 417,505 parameters."""
    small = {
        "channels": (8, 16, 32, 64, 128),
        "depths": (1, 1, 1, 1, 1),
        "kernel_sizes": (3, 3, 7, 7, 9),
    }
    return CMUNeXt(**{**small, **kwargs})


@register_model
def cmunext_l(**kwargs: Any) -> CMUNeXt:
    """CMUNeXt-L, the large variant: 8,286,721 parameters."""
    large = {"channels": (32, 64, 128, 256, 512), "depths": (1, 1, 1, 6, 3)}
    return CMUNeXt(**{**large, **kwargs})
