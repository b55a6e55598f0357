"""TinyU-Net: a four-level U-Net of CMRF blocks."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from skinseg.blocks import create_block
from skinseg.checkpoint import StateDict
from skinseg.models.citation import Citation
from skinseg.models.four_level import FOUR_LEVEL_RULES, FourLevelUNet
from skinseg.models.keymap import rename
from skinseg.registry import register_model


class TinyUNet(FourLevelUNet):
    """TinyU-Net: cascades of depthwise convolutions on the shape of U-Net.

    LMSAUNet grew out of it: the same U-shape, of another block.

    Source: Chen et al., MICCAI 2024.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits.
        channels: Width of each of the four levels.
        compression: N of the CMRF blocks, from 2 to 32.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> TinyUNet(channels=(8, 16, 24, 32), compression=4)(torch.randn(1, 3, 48, 50)).shape
        torch.Size([1, 1, 48, 50])
    """

    paper = Citation(
        key="chen2024tinyunet",
        title="TinyU-Net: Lighter Yet Better U-Net with Cascaded Multi-receptive Fields",
        authors=(
            "Junren Chen",
            "Rui Chen",
            "Wei Wang",
            "Junlong Cheng",
            "Lei Zhang",
            "Liangyin Chen",
        ),
        venue="Medical Image Computing and Computer-Assisted Intervention (MICCAI)",
        pages="626--635",
        year=2024,
        link="https://papers.miccai.org/miccai-2024/774-Paper2191.html",
    )

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        channels: Sequence[int] = (64, 128, 256, 512),
        compression: int = 8,
    ) -> None:
        config = {
            "in_chans": in_chans,
            "num_classes": num_classes,
            "channels": list(channels),
            "compression": compression,
        }
        super().__init__(config, partial(create_block, "cmrf", compression=compression))

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the authors' code."""
        return rename(state, FOUR_LEVEL_RULES)


@register_model
def tinyunet(**kwargs: Any) -> TinyUNet:
    """TinyU-Net as published: 481,105 parameters."""
    return TinyUNet(**kwargs)
