"""LMSAUNet: a four-level U-Net of ECDF blocks."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from skinseg.blocks import create_block
from skinseg.checkpoint import StateDict
from skinseg.models.authors import IMAGENET, AuthorsCode
from skinseg.models.citation import Citation
from skinseg.models.four_level import FOUR_LEVEL_RULES, FourLevelUNet
from skinseg.models.keymap import Rule, rename
from skinseg.registry import register_model

AUTHORS_NAMES: list[Rule] = [
    *FOUR_LEVEL_RULES,
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


class LMSAUNet(FourLevelUNet):
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
        >>> import torch
        >>> LMSAUNet(channels=(8, 16, 24, 32), compression=4)(torch.randn(1, 3, 48, 50)).shape
        torch.Size([1, 1, 48, 50])
    """

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
        r"encoder\d\.\w+\.se_att\.",
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
        config = {
            "in_chans": in_chans,
            "num_classes": num_classes,
            "channels": list(channels),
            "compression": compression,
            "attention": attention,
        }
        ecdf = partial(create_block, "ecdf", compression=compression, attention=attention)
        super().__init__(config, ecdf)

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
