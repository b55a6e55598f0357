"""The four-level U-shape that TinyU-Net and its successor LMSAUNet share."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from skinseg.models.base import SegmentationModel, upsample
from skinseg.models.features import FeatureInfo
from skinseg.models.keymap import Rule, numbered
from skinseg.models.pooling_encoder import PoolingEncoder

FOUR_LEVEL_RULES: list[Rule] = [
    (r"^encoder(\d)\.\w+\.", numbered("encoder.stages.{}.")),
    (r"^decoder(\d)\.\w+\.", numbered("decoder.{}.", offset=4, sign=-1)),
    (r"^final_conv\.", "head."),
    (r"\.pwconv1\.", ".compress."),
    (r"\.pwconv2\.", ".expand."),
    (r"\.m\.(\d+)\.", numbered(".cascade.{}.", offset=0)),
    (r"\.bn\.", ".norm."),
]


class FourLevelUNet(SegmentationModel):
    """One block per level, pooled from level to level, with concatenated skips.

    There is no block between encoder and decoder: the decoder begins with the pooled deepest
    level. Its maps are enlarged bicubically.

    Args:
        config: The subclass's constructor arguments, ``in_chans``, ``num_classes`` and
            ``channels`` among them.
        block: Maker of a block that keeps the size, called with its input's and its output's
            channels: ECDF, or another that has ``compress`` and ``join``, too.

    Raises:
        ValueError: If there are not four widths.
    """

    first_conv = "encoder.stages.0.compress.conv"

    def __init__(self, config: dict[str, Any], block: Callable[[int, int], nn.Module]) -> None:
        super().__init__(config)
        channels = config["channels"]
        if len(channels) != 4:
            raise ValueError(f"channels must be four widths, not {channels}")
        self.encoder = PoolingEncoder(
            block(narrow, wide) for narrow, wide in pairwise([self.in_chans, *channels])
        )
        self.feature_info = FeatureInfo(
            [*channels, channels[-1]],
            [1, 2, 4, 8, 16],
            [*(f"stages.{index}" for index in range(4)), "deepest"],
        )
        below = [channels[-1], *reversed(channels)]
        self.decoder = nn.ModuleList(block(deep + skip, skip) for deep, skip in pairwise(below))
        self.head = nn.Conv2d(channels[0], self.num_classes, 1)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Upsample, join the skip, and fuse, from the deepest map to the finest."""
        *skips, x = features
        for block, skip in zip(self.decoder, reversed(skips), strict=True):
            x = self._join(block, x, skip)
        return x, []

    def _join(self, block: Any, deep: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        # In training the block narrows before it enlarges, which takes a third of the time. In
        # evaluation all layers run as published, so that costs are counted as the papers do.
        joined: torch.Tensor
        if self.training:
            joined = block.join(deep, skip)
        else:
            joined = block(torch.cat([upsample(deep, skip.shape[-2:], "bicubic"), skip], dim=1))
        return joined
