"""An image classifier's encoder under BasicUNet's decoder."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from skinseg.models.base import SegmentationModel, init_conv
from skinseg.models.features import FeatureInfo
from skinseg.models.six_stage import DecoderStage, conv3x3, norm_layer
from skinseg.models.stage_encoder import StageEncoder


class BackboneEncoder(StageEncoder):
    """Stages that each halve H and W.

    Args:
        stages: The modules, each of which takes the map of the one before.
        channels: Channels of each stage's map.

    Shape:
        (B, C, H, W) -> maps at H/2, H/4, H/8, ...
    """

    def __init__(self, stages: Iterable[nn.Module], channels: Sequence[int]) -> None:
        super().__init__(stages)
        self.channels = list(channels)


class BackboneUNet(SegmentationModel):
    """An image classifier's encoder, and for each skip a decoder stage of BasicUNet.

    EGE-UNet's Table 1 (arXiv 2307.08473) prints 1.87 M and 0.70 G for MobileViTv2 and 1.19 M and
    0.10 G for MobileNetV3, and says nothing of how they segment. This decoder, which MALUNet's and
    EGE-UNet's own baseline has, gives all four figures: a 3x3 convolution to the width of the
    skip, GroupNorm, bilinear upsampling, GELU, and the skip added.

    Args:
        config: The subclass's constructor arguments, ``in_chans``, ``num_classes`` and ``width``
            among them.
        encoder: Maker of the encoder, called with the channels of the input and the width.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self, config: dict[str, Any], encoder: Callable[[int, float], BackboneEncoder]
    ) -> None:
        super().__init__(config)
        width = config["width"]
        if not isinstance(width, int | float) or not 0 < width < float("inf"):
            raise ValueError(f"width must be a number above 0, not {width!r}")
        backbone = encoder(self.in_chans, width)
        channels = backbone.channels
        self.encoder = backbone
        levels = range(len(channels))
        self.feature_info = FeatureInfo(
            channels, [2 << level for level in levels], [f"stages.{level}" for level in levels]
        )
        self.decoder = nn.ModuleList(
            DecoderStage(conv3x3(wide, narrow), norm_layer("group", narrow), deepest=False)
            for wide, narrow in pairwise(reversed(channels))
        )
        self.head = nn.Conv2d(channels[0], self.num_classes, 1)
        self.apply(init_conv)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Climb from the deepest map, adding at each stage its skip."""
        *skips, x = features
        for stage, skip in zip(self.decoder, reversed(skips), strict=True):
            x = stage(x, skip.shape[-2:]) + skip
        return x, []
