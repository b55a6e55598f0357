"""LMSAUNet: a four-level U-Net of ECDF blocks."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from skinseg.blocks import create_block
from skinseg.checkpoint import StateDict
from skinseg.models.authors import IMAGENET, AuthorsCode
from skinseg.models.base import SegmentationModel, upsample
from skinseg.models.citation import Citation
from skinseg.models.features import FeatureInfo
from skinseg.models.keymap import Rule, numbered, rename
from skinseg.models.pooling_encoder import PoolingEncoder
from skinseg.registry import register_model

AUTHORS_NAMES: list[Rule] = [
    (r"^encoder(\d)\.\w+\.", numbered("encoder.stages.{}.")),
    (r"^decoder(\d)\.\w+\.", numbered("decoder.{}.", offset=4, sign=-1)),
    (r"^final_conv\.", "head."),
    (r"\.pwconv1\.", ".compress."),
    (r"\.pwconv2\.", ".expand."),
    (r"\.m\.(\d+)\.", numbered(".cascade.{}.", offset=0)),
    (r"\.bn\.", ".norm."),
    (r"\.se_att\.eca\.", ".attention.channel_gate."),
    (r"\.se_att\.spatial\.conv\.0\.", ".attention.spatial_gate.conv."),
    (r"\.se_att\.", ".attention."),
]


_UNIT = re.compile(r"encoder\.stages\.0\.cascade\.\d+\.conv\.weight")


def _arguments(state: StateDict) -> dict[str, Any]:
    return {
        "in_chans": state[f"{LMSAUNet.first_conv}.weight"].shape[1],
        "num_classes": len(state["head.weight"]),
        "channels": [len(state[f"encoder.stages.{n}.expand.conv.weight"]) for n in range(4)],
        # An ECDF block with compression N has (N - 2) / 2 units in its cascade.
        "compression": 2 * sum(_UNIT.fullmatch(key) is not None for key in state) + 2,
    }


class LMSAUNet(SegmentationModel):
    """Lightweight multi-scale attention U-Net built of ECDF blocks.

    Source: Sci Rep 15, 34327 (2025). The paper's text says N = 8, as the released checkpoints
    have it; its 0.39 M parameters are those of N = 32. There is no block between encoder and
    decoder, as in the authors' code. Bicubic upsampling, then concatenation with the skip.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits. The paper has two (background, lesion).
        channels: Width of each of the four levels.
        compression: N of the ECDF blocks, an even number from 2 to 32.
        attention: Whether the ECDF blocks end with attention.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> LMSAUNet(channels=(8, 16, 24, 32), compression=4)(torch.randn(1, 3, 48, 50)).shape
        torch.Size([1, 1, 48, 50])
    """

    first_conv = "encoder.stages.0.compress.conv"
    paper = Citation(
        key="lmsaunet2025",
        title="Lightweight Unet with depthwise separable convolution for skin lesion segmentation",
        venue="Scientific Reports",
        journal=True,
        volume="15",
        pages="34327",
        year=2025,
        doi="10.1038/s41598-025-16683-1",
    )
    authors_code = AuthorsCode(
        "lmsaunet",
        r"encoder\d\.\w+\.pwconv1\.",
        224,
        IMAGENET,
        _arguments,
        variant="lmsaunet_n{compression}",
    )

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        channels: Sequence[int] = (64, 128, 256, 512),
        compression: int = 32,
        attention: bool = True,
    ) -> None:
        super().__init__(
            {
                "in_chans": in_chans,
                "num_classes": num_classes,
                "channels": list(channels),
                "compression": compression,
                "attention": attention,
            }
        )
        if len(channels) != 4:
            raise ValueError(f"channels must be four widths, not {channels}")
        ecdf = {"compression": compression, "attention": attention}
        self.encoder = PoolingEncoder(
            create_block("ecdf", narrow, wide, **ecdf)
            for narrow, wide in pairwise([in_chans, *channels])
        )
        self.feature_info = FeatureInfo(
            [*channels, channels[-1]],
            [1, 2, 4, 8, 16],
            [*(f"stages.{index}" for index in range(4)), "deepest"],
        )
        below = [channels[-1], *reversed(channels)]
        self.decoder = nn.ModuleList(
            create_block("ecdf", deep + skip, skip, **ecdf) for deep, skip in pairwise(below)
        )
        self.head = nn.Conv2d(channels[0], num_classes, 1)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Upsample, join the skip, and fuse, from the deepest map to the finest."""
        *skips, x = features
        for block, skip in zip(self.decoder, reversed(skips), strict=True):
            x = block(torch.cat([upsample(x, skip.shape[-2:], "bicubic"), skip], dim=1))
        return x, []

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the authors' code, released ones included."""
        return rename(state, AUTHORS_NAMES)


@register_model
def lmsaunet(**kwargs: Any) -> LMSAUNet:
    """LMSAUNet with N = 32: the published 0.39 M parameters (387,878 with two classes)."""
    return LMSAUNet(**{"compression": 32, **kwargs})


@register_model
def lmsaunet_n8(**kwargs: Any) -> LMSAUNet:
    """LMSAUNet with N = 8: the paper's text and the released weights (476,738, two classes)."""
    return LMSAUNet(**{"compression": 8, **kwargs})
