"""MUCM-Net: UCM-Net with Mamba layers beside its perceptrons."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from skinseg.blocks import create_block
from skinseg.checkpoint import StateDict
from skinseg.models.citation import Citation
from skinseg.models.keymap import MAMBA_RULES, Rule, mamba_weight, rename
from skinseg.models.six_stage import CHANNELS
from skinseg.models.ucmnet import UCMUNet
from skinseg.registry import register_model

AUTHORS_NAMES: list[Rule] = [
    *MAMBA_RULES,
    (r"(block\w+\.0)\.norm3\.", r"\1.mamba_scale."),
    (r"(block\w+\.0)\.norm4\.", r"\1.scale."),
]
_LAYER = re.compile(r"(.+\.)fc2(\d)\.(mamba\..+)")
_UNUSED = re.compile(r".+\.(mamba_scale|scale)\.(weight|bias)")


class MUCMNet(UCMUNet):
    """MUCM-Net: the U-shape of UCM-Net, with Mamba layers beside the perceptrons of its blocks.

    Source: Yuan et al., Explor Med 5, 694 (2024; arXiv 2405.15925). Differs from the authors'
    code as the block does (see there), in taking sizes that 64 does not divide, and in a scan
    that is parallel and needs no GPU.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits. The auxiliary heads always have one: lesion or not.
        channels: Width of each of the six levels.
        groups: Groups of channels in a block, each with a Mamba layer.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> logits, aux = MUCMNet()(torch.randn(1, 3, 64, 50), return_aux=True)
        >>> logits.shape, len(aux), aux[0].shape
        (torch.Size([1, 1, 64, 50]), 5, torch.Size([1, 1, 64, 50]))
    """

    paper = Citation(
        key="yuan2024mucmnet",
        title="MUCM-Net: a Mamba powered UCM-Net for skin lesion segmentation",
        authors=("Chunyu Yuan", "Dongfang Zhao", "Sos S. Agaian"),
        year=2024,
        venue="Exploration of Medicine",
        journal=True,
        volume="5",
        pages="694--708",
        doi="10.37349/emed.2024.00250",
        arxiv="2405.15925",
    )

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        channels: Sequence[int] = CHANNELS,
        groups: int = 1,
    ) -> None:
        if groups < 1:
            raise ValueError(f"groups must be at least 1, not {groups!r}")
        config = {
            "in_chans": in_chans,
            "num_classes": num_classes,
            "channels": list(channels),
            "groups": groups,
        }
        super().__init__(config, partial(create_block, "mucm", groups=groups))

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the authors' code.

        What it holds and does not use becomes what changes nothing: the first two Mamba layers
        of a block are repeated in place of the others, and weights of normalizations that are not
        applied become 1 and 0.
        """
        layers: dict[str, list[Any]] = {}
        rest = {}
        for key, value in rename(state, AUTHORS_NAMES).items():
            if match := _LAYER.fullmatch(key):
                layers.setdefault(match[1] + match[3], []).append(mamba_weight(key, value))
            elif _UNUSED.fullmatch(key):
                rest[key] = torch.full_like(value, float(key.endswith("weight")))
            else:
                rest[key] = value
        for key, values in layers.items():
            used = [values[group % 2] for group in range(len(values))]
            rest[key] = torch.cat(used)
        return super().convert_authors_weights(rest)


@register_model
def mucmnet(**kwargs: Any) -> MUCMNet:
    """MUCM-Net as published, one Mamba layer per block: 138,652 parameters."""
    return MUCMNet(**kwargs)


@register_model
def mucmnet_2(**kwargs: Any) -> MUCMNet:
    """MUCM-Net with two groups of channels per block: 99,868 parameters."""
    return MUCMNet(**{"groups": 2, **kwargs})


@register_model
def mucmnet_4(**kwargs: Any) -> MUCMNet:
    """MUCM-Net with four groups of channels per block: 80,508 parameters."""
    return MUCMNet(**{"groups": 4, **kwargs})


@register_model
def mucmnet_8(**kwargs: Any) -> MUCMNet:
    """MUCM-Net with eight groups of channels per block: 71,148 parameters."""
    return MUCMNet(**{"groups": 8, **kwargs})
