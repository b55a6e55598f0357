"""EGE-UNet: Hadamard product attention and mask-guided skips on the six-stage U-shape."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from skinseg.blocks import create_block
from skinseg.checkpoint import StateDict
from skinseg.models.authors import MINMAX_255, AuthorsCode
from skinseg.models.base import init_conv
from skinseg.models.citation import Citation
from skinseg.models.keymap import SIX_STAGE_RULES, Rule, numbered, rename
from skinseg.models.six_stage import (
    CHANNELS,
    SixStageUNet,
    block,
    conv3x3,
    six_stage_arguments,
)
from skinseg.registry import register_model

AUTHORS_NAMES: list[Rule] = [
    *SIX_STAGE_RULES,
    (r"\.block\.0\.", ".block."),
    (r"\.params_xy$", ".plane.tensor"),
    (r"\.params_zx$", ".height.tensor"),
    (r"\.params_zy$", ".width.tensor"),
    (r"\.conv_xy\.", ".plane.refine."),
    (r"\.conv_zx\.", ".height.refine."),
    (r"\.conv_zy\.", ".width.refine."),
    (r"\.dw\.", ".local."),
    (r"\.ldw\.", ".project."),
    (r"\.norm1\.", ".norm_in."),
    (r"\.norm2\.", ".norm_out."),
    (r"^GAB(\d)\.", numbered("gabs.{}.", offset=5, sign=-1)),
    (r"\.pre_project\.", ".reduce."),
    (r"\.g(\d)\.", numbered(".groups.{}.", offset=0)),
    (r"\.tail_conv\.", ".aggregate."),
    (r"^gt_conv(\d)\.0\.", numbered("aux_heads.{}.")),
]


def _arguments(state: StateDict) -> dict[str, Any]:
    if "gabs.0.reduce.weight" not in state:
        plain = six_stage_arguments(state, "decoder.0.block.norm_in.weight")
        return {**plain, "bridge": False, "deep_supervision": False}
    arguments = six_stage_arguments(state, "gabs.0.reduce.weight")
    masks = any(key.startswith("aux_heads.") for key in state)
    return arguments if masks else {**arguments, "deep_supervision": False}


class EGEUNet(SixStageUNet):
    """Efficient Group Enhanced U-Net.

    Stages 4 to 6 are Grouped multi-axis Hadamard Product Attention (GHPA). At each decoder stage
    an auxiliary head predicts the lesion, and a Group Aggregation Bridge (GAB) joins that mask,
    the skip and the bridge's previous result.

    With ``return_aux=True`` the five auxiliary outputs are (B, 1, H, W) for any number of classes:
    each is the logit of lesion against all else, for it is the mask that its bridge is guided by.
    In a loop of several classes, train them on the union of the lesion's classes.

    Source: Ruan et al., MICCAI 2023 (arXiv 2307.08473). Differs from the paper as the authors'
    code does (see the blocks), and from that code in returning logits, in taking sizes that 32
    does not divide, and in working without deep supervision.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits. The auxiliary heads always have one: lesion or not.
        channels: Width of each of the six stages.
        deep_supervision: Whether there are auxiliary heads. Without them the bridges have no
            mask (Table 2, "w/o mask information").
        attention: Whether stages 4 to 6 are GHPA, or 3x3 convolutions.
        bridge: Whether the skips pass GAB, or are added as they are. Without it there is nothing
            for a mask to guide, and ``deep_supervision`` must be off.
        multi_axis: As in GHPA.
        refine: As in GHPA.
        dilations: As in GAB.
        norm: ``"group"``, or ``"batch"`` (which gives the cost of the paper's baseline).

    Raises:
        ValueError: If an argument is out of range, or two exclude each other.

    Example:
        >>> logits, aux = EGEUNet()(torch.randn(1, 3, 64, 64), return_aux=True)
        >>> logits.shape, len(aux), aux[0].shape
        (torch.Size([1, 1, 64, 64]), 5, torch.Size([1, 1, 64, 64]))
    """

    paper = Citation(
        key="ruan2023egeunet",
        title="EGE-UNet: an Efficient Group Enhanced UNet for skin lesion segmentation",
        authors=("Jiacheng Ruan", "Mingye Xie", "Jingsheng Gao", "Ting Liu", "Yuzhuo Fu"),
        venue="Medical Image Computing and Computer-Assisted Intervention (MICCAI)",
        year=2023,
        arxiv="2307.08473",
    )
    authors_code = AuthorsCode(
        "egeunet", r"GAB\d\.|encoder4\.0\.params_xy$", 256, MINMAX_255, _arguments
    )

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        channels: Sequence[int] = CHANNELS,
        deep_supervision: bool = True,
        attention: bool = True,
        bridge: bool = True,
        multi_axis: bool = True,
        refine: bool = True,
        dilations: Sequence[int] = (1, 2, 5, 7),
        norm: str = "group",
    ) -> None:
        if norm not in ("group", "batch"):
            raise ValueError(f'norm must be "group" or "batch", not {norm!r}')
        if deep_supervision and not bridge:
            raise ValueError("without a bridge, pass deep_supervision=False too")
        config = {
            "in_chans": in_chans,
            "num_classes": num_classes,
            "channels": list(channels),
            "deep_supervision": deep_supervision,
            "attention": attention,
            "bridge": bridge,
            "multi_axis": multi_axis,
            "refine": refine,
            "dilations": list(dilations),
            "norm": norm,
        }
        stage = block("ghpa", multi_axis=multi_axis, refine=refine) if attention else conv3x3
        super().__init__(config, encoder_block=stage, decoder_block=stage, norm=norm)
        deepest_first = list(reversed(channels))
        self.gabs = nn.ModuleList(
            create_block("gab", high, low, mask=deep_supervision, dilations=dilations)
            for high, low in pairwise(deepest_first if bridge else [])
        )
        self.num_aux = 5 if deep_supervision else 0
        self.aux_heads = nn.ModuleList(
            nn.Conv2d(width, 1, 1) for width in deepest_first[1 : self.num_aux + 1]
        )
        self.apply(init_conv)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Climb from the deepest map, adding at each stage its skip as GAB aggregates it."""
        if not self.gabs:
            return super().decode(features)
        *skips, x = features
        aggregated = x
        masks = []
        for index, skip in enumerate(reversed(skips)):
            x = self.decoder[index](x, skip.shape[-2:])
            mask = None
            if self.num_aux:
                mask = self.aux_heads[index](x)
                masks.append(mask)
            aggregated = self.gabs[index](aggregated, skip, mask)
            x = x + aggregated
        return x, masks

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the authors' code.

        Auxiliary heads of a network without a bridge are left out, as nothing sees their masks.
        """
        renamed = rename(state, AUTHORS_NAMES)
        if not any(key.startswith("gabs.") for key in renamed):
            renamed = {k: v for k, v in renamed.items() if not k.startswith("aux_heads.")}
        # The authors keep a leading dimension on the axis tensors: (1, 1, C, 8).
        return {
            key: value[0] if key.endswith((".height.tensor", ".width.tensor")) else value
            for key, value in renamed.items()
        }


@register_model
def egeunet(**kwargs: Any) -> EGEUNet:
    """EGE-UNet as published: 53,374 parameters."""
    return EGEUNet(**kwargs)
