"""UNet++: a U-Net whose skips are filled with convolutions of their own."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from skinseg.checkpoint import StateDict
from skinseg.models.citation import Citation
from skinseg.models.keymap import Rule, rename
from skinseg.models.unet import DoubleConv, PooledUNet, pad_to_skip
from skinseg.registry import register_model

# The second of two layers comes after the first one's convolution, norm and activation.
AUTHORS_NAMES: list[Rule] = [
    (r"^conv(\d)_0\.", r"encoder.levels.\1."),
    (r"^conv(\d_\d)\.", r"nodes.\1."),
    (r"\.conv(\d)\.", lambda match: f".{3 * int(match[1]) - 3}."),
    (r"\.bn(\d)\.", lambda match: f".{3 * int(match[1]) - 2}."),
]


class UNetPP(PooledUNet):
    """UNet++: nested U-Nets, each decoder node of which sees all earlier ones of its level.

    Source: Zhou et al., DLMIA 2018 (arXiv 1807.10165). Widths, bilinear upsampling with aligned
    corners, and a bias and BatchNorm in each convolution are those of the public implementation
    that MALUNet's Table II was measured with: 9.16 M parameters, 34.9 G.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits, and of each auxiliary output.
        channels: Width of each level; two to six levels, so that 32x32 images can be halved.
        deep_supervision: Whether each but the last node of the finest level has a head, too. Their
            logits are the auxiliary outputs, that of the shallowest U-Net first.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> net = UNetPP(channels=(4, 8, 16), deep_supervision=True)
        >>> logits, aux = net(torch.randn(1, 3, 45, 50), return_aux=True)
        >>> logits.shape, len(aux), aux[0].shape
        (torch.Size([1, 1, 45, 50]), 1, torch.Size([1, 1, 45, 50]))
    """

    paper = Citation(
        key="zhou2018unetpp",
        title="UNet++: A Nested U-Net Architecture for Medical Image Segmentation",
        authors=(
            "Zongwei Zhou",
            "Md Mahfuzur Rahman Siddiquee",
            "Nima Tajbakhsh",
            "Jianming Liang",
        ),
        venue="Deep Learning in Medical Image Analysis (DLMIA)",
        year=2018,
        arxiv="1807.10165",
    )

    classifier = ("head", "aux_heads")

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        channels: Sequence[int] = (32, 64, 128, 256, 512),
        deep_supervision: bool = False,
    ) -> None:
        super().__init__(
            {
                "in_chans": in_chans,
                "num_classes": num_classes,
                "channels": list(channels),
                "deep_supervision": deep_supervision,
            }
        )
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        # Node i_j is X^{i,j} of Section 2.1: it sees the j earlier maps of level i, and the map of
        # the level below from one column earlier.
        self.nodes = nn.ModuleDict(
            {
                f"{level}_{column}": DoubleConv(
                    column * channels[level] + channels[level + 1], channels[level]
                )
                for column in range(1, len(channels))
                for level in range(len(channels) - column)
            }
        )
        self.num_aux = len(channels) - 2 if deep_supervision else 0
        self.aux_heads = nn.ModuleList(
            nn.Conv2d(channels[0], num_classes, 1) for _ in range(self.num_aux)
        )

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Fill the triangle of nodes column by column."""
        rows = [[x] for x in features]
        for column in range(1, len(rows)):
            for level in range(len(rows) - column):
                row, below = rows[level], rows[level + 1][column - 1]
                seen = torch.cat([*row, pad_to_skip(self.up(below), row[0])], dim=1)
                row.append(self.nodes[f"{level}_{column}"](seen))
        *shallower, x = rows[0][1:]
        return x, [head(map_) for head, map_ in zip(self.aux_heads, shallower, strict=False)]

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the public implementation.

        With deep supervision it calls the heads ``final1`` to ``final4``, of which the last is the
        network's output; without, there is one, ``final``.
        """
        heads = {int(key[5]) for key in state if key.startswith("final") and key[5] != "."}
        if not heads:
            return rename(state, [*AUTHORS_NAMES, (r"^final\.", "head.")])
        last = max(heads)
        rules: list[Rule] = [
            (rf"^final{last}\.", "head."),
            (r"^final(\d)\.", lambda match: f"aux_heads.{int(match[1]) - 1}."),
        ]
        return rename(state, [*AUTHORS_NAMES, *rules])


@register_model
def unetpp(**kwargs: Any) -> UNetPP:
    """UNet++ of MALUNet's Table II: 9,163,329 parameters; deep supervision adds 99."""
    return UNetPP(**kwargs)
