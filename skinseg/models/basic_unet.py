"""BasicUNet: the baseline of MALUNet and EGE-UNet, alone and with one attention module."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from skinseg.blocks import create_block
from skinseg.models.base import init_conv
from skinseg.models.malunet import MALUNet
from skinseg.models.six_stage import CHANNELS, SixStageUNet, StageBlock, block, conv3x3
from skinseg.registry import register_model


def attention_then_conv(name: str) -> StageBlock:
    """Return the maker of an attention block followed by a 3x3 convolution."""
    return lambda cin, cout: nn.Sequential(create_block(name, cin), conv3x3(cin, cout))


def conv_then_attention(name: str) -> StageBlock:
    """Return the maker of a 3x3 convolution followed by an attention block."""
    return lambda cin, cout: nn.Sequential(conv3x3(cin, cout), create_block(name, cout))


# Encoder stages 4 to 6, and decoder stages 1 to 3. External attention stands at the narrower
# width on both ways: only so do the parameters of MALUNet's Table IV come out.
STAGES: dict[str | None, tuple[StageBlock, StageBlock]] = {
    None: (conv3x3, conv3x3),
    "dga": (block("dga"), block("dga")),
    "ea": (attention_then_conv("ea"), conv_then_attention("ea")),
    "iea": (attention_then_conv("iea"), conv_then_attention("iea")),
}
BRIDGES = (None, "cab", "sab")


class BasicUNet(SixStageUNet):
    """Six stages of one 3x3 convolution each, with additive skips.

    Source: the baseline "BU" of MALUNet's Tables III and IV (BIBM 2022, arXiv 2211.01784), and
    the rows of Table IV that add one module to it.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits.
        channels: Width of each of the six stages.
        attention: What the three deepest stages are: None for convolutions, ``"dga"``, or a
            convolution with ``"ea"`` or ``"iea"``.
        bridge: What attends to the skips: None, ``"cab"`` or ``"sab"``.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> BasicUNet(num_classes=2, bridge="sab")(torch.randn(1, 3, 64, 96)).shape
        torch.Size([1, 2, 64, 96])
    """

    paper = MALUNet.paper

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        channels: Sequence[int] = CHANNELS,
        attention: str | None = None,
        bridge: str | None = None,
    ) -> None:
        if attention not in STAGES:
            raise ValueError(f"attention must be one of {list(STAGES)}, not {attention!r}")
        if bridge not in BRIDGES:
            raise ValueError(f"bridge must be one of {list(BRIDGES)}, not {bridge!r}")
        config = {
            "in_chans": in_chans,
            "num_classes": num_classes,
            "channels": list(channels),
            "attention": attention,
            "bridge": bridge,
        }
        encoder_block, decoder_block = STAGES[attention]
        super().__init__(
            config,
            encoder_block=encoder_block,
            decoder_block=decoder_block,
            bridge=create_block(bridge, channels[:5]) if bridge else None,
        )
        self.apply(init_conv)


@register_model
def basic_unet(**kwargs: Any) -> BasicUNet:
    """BasicUNet of MALUNet's Tables III and IV: widths 8 to 64."""
    return BasicUNet(**kwargs)
