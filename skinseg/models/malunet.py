"""MALUNet: four attention modules on the six-stage U-shape."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from skinseg.blocks import create_block
from skinseg.checkpoint import StateDict
from skinseg.models.authors import MINMAX_255, AuthorsCode
from skinseg.models.base import init_conv
from skinseg.models.citation import Citation
from skinseg.models.keymap import SCAB_RULES, SIX_STAGE_RULES, Rule, numbered, rename
from skinseg.models.six_stage import CHANNELS, SixStageUNet, StageBlock, six_stage_arguments
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
    *SCAB_RULES,
]


def _arguments(state: StateDict) -> dict[str, Any]:
    dga_first = "decoder.0.block.0.shortcut.weight" in state
    bridged = any(key.startswith("bridge.") for key in state)
    return {
        **six_stage_arguments(state, f"decoder.0.block.{0 if dga_first else 1}.shortcut.weight"),
        **({} if bridged else {"bridge": None}),
    }


def _iea_then_dga(in_chans: int, out_chans: int) -> nn.Module:
    return nn.Sequential(create_block("iea", in_chans), create_block("dga", in_chans, out_chans))


def _dga_then_iea(in_chans: int, out_chans: int) -> nn.Module:
    return nn.Sequential(create_block("dga", in_chans, out_chans), create_block("iea", out_chans))


# The decoder mirrors the encoder; the key is the encoder's order.
STAGES: dict[str, tuple[StageBlock, StageBlock]] = {
    "iea-dga": (_iea_then_dga, _dga_then_iea),
    "dga-iea": (_dga_then_iea, _iea_then_dga),
}


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
        attention: Order of the two modules in the encoder, mirrored in the decoder:
            ``"iea-dga"``, or ``"dga-iea"`` (Table V).
        bridge: Order of the two bridges: ``"sab-cab"``, or ``"cab-sab"`` (Table V); None for plain
            skips, as the authors' code has them with ``bridge=False``.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> MALUNet()(torch.randn(1, 3, 240, 320)).shape
        torch.Size([1, 1, 240, 320])
    """

    paper = Citation(
        key="ruan2022malunet",
        title="MALUNet: A Multi-Attention and Light-weight UNet for Skin Lesion Segmentation",
        authors=("Jiacheng Ruan", "Suncheng Xiang", "Mingye Xie", "Ting Liu", "Yuzhuo Fu"),
        venue="IEEE International Conference on Bioinformatics and Biomedicine (BIBM)",
        year=2022,
        arxiv="2211.01784",
    )
    authors_code = AuthorsCode("malunet", r"\w+coder\d\.\d\.gau\.", 256, MINMAX_255, _arguments)

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        channels: Sequence[int] = CHANNELS,
        attention: str = "iea-dga",
        bridge: str | None = "sab-cab",
    ) -> None:
        if attention not in STAGES:
            raise ValueError(f"attention must be one of {list(STAGES)}, not {attention!r}")
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
            bridge=create_block("scab", channels[:5], order=bridge) if bridge else None,
        )
        self.apply(init_conv)

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the authors' code.

        Its ``split_att="conv"`` has 1-D convolutions of kernel 1 where there are linear layers by
        default: the same function.
        """
        return {
            key: value[..., 0] if key.startswith("bridge.cab.heads.") and value.ndim == 3 else value
            for key, value in rename(state, AUTHORS_NAMES).items()
        }


@register_model
def malunet(**kwargs: Any) -> MALUNet:
    """MALUNet as published: 177,943 parameters."""
    return MALUNet(**kwargs)
