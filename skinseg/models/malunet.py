"""MALUNet: four attention modules on the six-stage U-shape."""

from collections.abc import Sequence
from typing import Any

from skinseg.models.keymap import SIX_STAGE_RULES, Rule, StateDict, numbered, rename
from skinseg.models.six_stage import CHANNELS, SixStageUNet, channel_spatial_bridge, initialise
from skinseg.registry import register_model

AUTHORS_NAMES: list[Rule] = [
    *SIX_STAGE_RULES,
    (r"\.gau\.w1\.0\.", ".gate."),
    (r"\.gau\.w2\.0\.", ".value."),
    (r"\.gau\.wo\.0\.", ".project."),
    (r"\.gau\.cw\.", ".shortcut."),
    (r"\.(gate|value|project)\.conv1\.", r".\1.depthwise."),
    (r"\.(gate|value|project)\.conv2\.", r".\1.pointwise."),
    (r"\.mda(\d)\.", numbered(".dilated.{}.", offset=0)),
    (r"\.conv\.", ".mix."),
    (r"\.conv1\.", ".query."),
    (r"\.conv2\.", ".output."),
    (r"\.linear_0\.", ".memory_keys."),
    (r"\.linear_1\.", ".memory_values."),
    (r"\.norm_layer\.", ".norm."),
    (r"^scab\.satt\.shared_conv2d\.0\.", "bridge.sab.gate.conv."),
    (r"^scab\.catt\.get_all_att\.", "bridge.cab.mix."),
    (r"^scab\.catt\.att(\d)\.", numbered("bridge.cab.heads.{}.")),
]


class MALUNet(SixStageUNet):
    """Multi-Attention and Light-weight U-Net.

    Stages 4 to 6 are Inverted External Attention (IEA) and Dilated Gated Attention (DGA); the
    Channel and Spatial Attention Bridges (CAB, SAB) attend to the five skips together.

    Source: Ruan et al., BIBM 2022 (arXiv 2211.01784). Differs from the paper as the authors' code
    does (see the blocks), and from that code in returning logits and in taking sizes that 32 does
    not divide.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits.
        channels: Width of each of the six stages.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> MALUNet()(torch.randn(1, 3, 240, 320)).shape
        torch.Size([1, 1, 240, 320])
    """

    def __init__(
        self, *, in_chans: int = 3, num_classes: int = 1, channels: Sequence[int] = CHANNELS
    ) -> None:
        config = {"in_chans": in_chans, "num_classes": num_classes, "channels": list(channels)}
        bridge = channel_spatial_bridge(channels)
        super().__init__(config, deep_stage="iea-dga", bridge=bridge)
        initialise(self)

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the authors' code."""
        return rename(state, AUTHORS_NAMES)


@register_model
def malunet(**kwargs: Any) -> MALUNet:
    """MALUNet as published: 177,943 parameters."""
    return MALUNet(**kwargs)
