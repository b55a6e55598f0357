"""BasicUNet: the six-stage baseline that MALUNet and EGE-UNet are built on."""

from collections.abc import Sequence
from typing import Any

from skinseg.models.six_stage import CHANNELS, SixStageUNet, initialise
from skinseg.registry import register_model


class BasicUNet(SixStageUNet):
    """Six stages of one 3x3 convolution each, with additive skips.

    Source: the baseline "BU" of MALUNet's Tables III and IV (BIBM 2022, arXiv 2211.01784).

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits.
        channels: Width of each of the six stages.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> BasicUNet(num_classes=2)(torch.randn(1, 3, 64, 96)).shape
        torch.Size([1, 2, 64, 96])
    """

    def __init__(
        self, *, in_chans: int = 3, num_classes: int = 1, channels: Sequence[int] = CHANNELS
    ) -> None:
        config = {"in_chans": in_chans, "num_classes": num_classes, "channels": list(channels)}
        super().__init__(config, deep_stage="conv")
        initialise(self)


@register_model
def basic_unet(**kwargs: Any) -> BasicUNet:
    """BasicUNet of MALUNet's Table IV: widths 8 to 64."""
    return BasicUNet(**kwargs)
