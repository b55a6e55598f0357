"""SANet: the deep maps of a Res2Net say where its shallow ones are to be believed."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from skinseg.checkpoint import StateDict
from skinseg.models.base import SegmentationModel, upsample
from skinseg.models.citation import Citation
from skinseg.models.conv_norm import ConvNorm
from skinseg.models.keymap import Rule, numbered, rename
from skinseg.models.res2net import Res2Net
from skinseg.registry import register_model

AUTHORS_NAMES: list[Rule] = [
    (r"^bkbone\.", "encoder."),
    (r"^linear(\d)\.", numbered("reduce.{}.", offset=-3)),
    (r"^(reduce\.\d)\.0\.", r"\1.conv."),
    (r"^(reduce\.\d)\.1\.", r"\1.norm."),
    (r"^predict\.", "head."),
]


class SANet(SegmentationModel):
    """Shallow attention network: products of a Res2Net-50's maps at 1/8, 1/16 and 1/32.

    Source: Wei et al., MICCAI 2021 (arXiv 2108.00882), the network of MALUNet's Table II. Its color
    exchange and probability correction belong to training and inference, not to the network.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits.
        layers: Blocks of each of the encoder's four stages.
        width: Width of the first stage.
        decoder_channels: Channels to which the three maps are reduced.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> net = SANet(layers=(1, 1, 1, 1), width=8, decoder_channels=8)
        >>> net(torch.randn(2, 3, 45, 50)).shape
        torch.Size([2, 1, 45, 50])
    """

    paper = Citation(
        key="wei2021sanet",
        title="Shallow Attention Network for Polyp Segmentation",
        authors=("Jun Wei", "Yiwen Hu", "Ruimao Zhang", "Zhen Li", "S. Kevin Zhou", "Shuguang Cui"),
        venue="Medical Image Computing and Computer-Assisted Intervention (MICCAI)",
        year=2021,
        arxiv="2108.00882",
    )

    first_conv = "encoder.conv1.0"
    encoder: Res2Net

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        layers: Sequence[int] = (3, 4, 6, 3),
        width: int = 64,
        decoder_channels: int = 64,
    ) -> None:
        super().__init__(
            {
                "in_chans": in_chans,
                "num_classes": num_classes,
                "layers": list(layers),
                "width": width,
                "decoder_channels": decoder_channels,
            }
        )
        if len(layers) != 4:
            raise ValueError(f"layers must be the blocks of four stages, not {layers}")
        self.encoder = Res2Net(layers, in_chans=in_chans, width=width)
        self.feature_info = self.encoder.feature_info
        # Section 3.2: the shallowest maps are left out.
        self.reduce = nn.ModuleList(
            ConvNorm(channels, decoder_channels, 1, bias=True)
            for channels in self.feature_info.channels()[-3:]
        )
        self.head = nn.Conv2d(3 * decoder_channels, num_classes, 1)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Multiply each map by the deeper ones, at the size of the shallowest."""
        maps = [reduce(x) for reduce, x in zip(self.reduce, features[-3:], strict=True)]
        size = maps[0].shape[-2:]
        shallow, middle, deep = (upsample(x, size) for x in maps)
        middle = middle * deep
        return torch.cat([deep, middle, shallow * middle], dim=1), []

    def convert_encoder_weights(self, state: StateDict) -> StateDict:
        """Take the authors' ``res2net50_v1b_26w_4s``, or timm's ``res2net50d``, less classifier."""
        return self.encoder.convert_published_weights(state)

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the authors' code."""
        return rename(state, AUTHORS_NAMES)


@register_model
def sanet(**kwargs: Any) -> SANet:
    """SANet of MALUNet's Table II, with a Res2Net-50: 23,899,497 parameters."""
    return SANet(**kwargs)
