"""UltraLight VM-UNet: parallel Mamba layers on the six-stage U-shape."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from skinseg.blocks import create_block
from skinseg.blocks.mamba import Mamba
from skinseg.checkpoint import StateDict
from skinseg.models.authors import MINMAX_255, AuthorsCode
from skinseg.models.base import init_conv
from skinseg.models.citation import Citation
from skinseg.models.keymap import (
    MAMBA_RULES,
    SCAB_RULES,
    SIX_STAGE_RULES,
    Rule,
    mamba_weight,
    rename,
)
from skinseg.models.six_stage import CHANNELS, SixStageUNet, block, six_stage_arguments
from skinseg.registry import register_model

AUTHORS_NAMES: list[Rule] = [
    *SIX_STAGE_RULES,
    *SCAB_RULES,
    *MAMBA_RULES,
    (r"\.block\.0\.", ".block."),
    (r"\.skip_scale$", ".scale"),
    (r"\.proj\.", ".project."),
]


def _arguments(state: StateDict) -> dict[str, Any]:
    return six_stage_arguments(state, "decoder.0.block.project.weight")


def _init_as_the_authors(module: nn.Module) -> None:
    init_conv(module)
    if isinstance(module, Mamba):
        # They treat its projections as all other linear layers, which loses Mamba's own steps.
        for layer in (module.enter, module.select, module.step, module.leave):
            nn.init.trunc_normal_(layer.weight, std=0.02)
        nn.init.zeros_(module.step.get_parameter("bias"))


class UltraLightVMUNet(SixStageUNet):
    """UltraLight VM-UNet: Parallel Vision Mamba (PVM) layers in the three deepest stages.

    The Channel and Spatial Attention Bridges (CAB, SAB) of MALUNet attend to the skips.

    Source: Wu et al. (arXiv 2403.20035). It differs from the authors' code in returning logits,
    in taking sizes that 32 does not divide, and in a scan that is parallel and needs no GPU.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits.
        channels: Width of each of the six stages.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> UltraLightVMUNet()(torch.randn(1, 3, 64, 50)).shape
        torch.Size([1, 1, 64, 50])
    """

    paper = Citation(
        key="wu2024ultralight",
        title="UltraLight VM-UNet: Parallel Vision Mamba Significantly Reduces Parameters for "
        "Skin Lesion Segmentation",
        authors=("Renkai Wu", "Yinghao Liu", "Pengchen Liang", "Qing Chang"),
        year=2024,
        arxiv="2403.20035",
    )

    authors_code = AuthorsCode(
        "ultralight_vm_unet", r"\w+coder\d\.\d\.mamba\.", 256, MINMAX_255, _arguments
    )

    def __init__(
        self, *, in_chans: int = 3, num_classes: int = 1, channels: Sequence[int] = CHANNELS
    ) -> None:
        config = {"in_chans": in_chans, "num_classes": num_classes, "channels": list(channels)}
        super().__init__(
            config,
            encoder_block=block("pvm"),
            decoder_block=block("pvm"),
            bridge=create_block("scab", channels[:5]),
        )
        self.apply(_init_as_the_authors)

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the authors' code."""
        return {key: _reshape(key, value) for key, value in rename(state, AUTHORS_NAMES).items()}


def _reshape(key: str, value: torch.Tensor) -> torch.Tensor:
    if ".mamba." in key:
        return mamba_weight(key, value)
    # The authors' linear layer is a 1x1 convolution here.
    return value[:, :, None, None] if ".project." in key and value.ndim == 2 else value


@register_model
def ultralight_vm_unet(**kwargs: Any) -> UltraLightVMUNet:
    """UltraLight VM-UNet as published: 49,457 parameters."""
    return UltraLightVMUNet(**kwargs)
