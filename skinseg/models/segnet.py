"""SegNet: an encoder-decoder that unpools where the encoder pooled."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.blocks import create_block
from skinseg.checkpoint import StateDict
from skinseg.models.base import SegmentationModel
from skinseg.models.citation import Citation
from skinseg.models.conv_norm import ConvNorm
from skinseg.models.features import FeatureInfo
from skinseg.models.keymap import Rule, rename
from skinseg.models.pooling_encoder import PoolingEncoder
from skinseg.registry import register_model

BLOCKS = ("conv", "ecdf")

# In the authors' stages every third layer is a convolution, the next its norm.
_LAYERS = {0: "conv", 1: "norm"}
AUTHORS_NAMES: list[Rule] = [
    (r"^deco5\.3\.", "head."),
    (
        r"^(encoder\.en|de)co(\d)\.(\d)\.",
        lambda match: (
            f"{'encoder.stages' if match[1] == 'encoder.en' else 'decoder'}.{int(match[2]) - 1}."
            f"{int(match[3]) // 3}.{_LAYERS[int(match[3]) % 3]}."
        ),
    ),
]


def conv_stage(widths: Sequence[int]) -> nn.Sequential:
    """3x3 convolutions, each with BatchNorm and ReLU, from one width to the next."""
    return nn.Sequential(
        *(ConvNorm(narrow, wide, 3, bias=True) for narrow, wide in pairwise(widths))
    )


def unpool(x: torch.Tensor, finer: torch.Tensor) -> torch.Tensor:
    """Put each value of ``x`` where 2x2 max-pooling of ``finer`` found its maximum.

    Args:
        x: Map (B, C, H // 2, W // 2).
        finer: Map (B, C, H, W).

    Returns:
        Map (B, C, H, W), zero at all other places, a last odd row or column among them.

    Example:
        >>> unpool(torch.tensor([[[[5.0]]]]), torch.tensor([[[[1.0, 2.0], [4.0, 3.0]]]]))
        tensor([[[[0., 0.],
                  [5., 0.]]]])
    """
    # The places are found again, so that the encoder's maps are all that the decoder needs. A
    # scatter, because exporters have no unpooling.
    _, places = F.max_pool2d(finer, 2, return_indices=True)
    empty = torch.zeros_like(finer, dtype=x.dtype).flatten(2)
    return empty.scatter(2, places.flatten(2), x.flatten(2)).view(finer.shape)


class SegNet(SegmentationModel):
    """SegNet of LMSAUNet's comparison: VGG-16's convolutions, their mirror image, and unpooling.

    The decoder takes no features from the encoder, only the places of their maxima.

    Source: Badrinarayanan et al., TPAMI 2017 (arXiv 1511.00561), with BatchNorm after each
    convolution but the last, a 3x3 one. The ECDF variant: LMSAUNet (Sci Rep 15, 34327, 2025),
    which does not say what is replaced; here each stage but the last is one ECDF block.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits. The paper has two (background, lesion).
        channels: Width of each of the five levels.
        block: What a stage is made of: ``"conv"``, two or three 3x3 convolutions, or ``"ecdf"``,
            one ECDF block. The last stage is of convolutions always.
        compression: N of the ECDF blocks, an even number from 2 to 32.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> SegNet(channels=(4, 8, 8, 16, 16))(torch.randn(1, 3, 48, 50)).shape
        torch.Size([1, 1, 48, 50])
    """

    paper = Citation(
        key="badrinarayanan2017segnet",
        title=("SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image Segmentation"),
        authors=("Vijay Badrinarayanan", "Alex Kendall", "Roberto Cipolla"),
        venue="IEEE Transactions on Pattern Analysis and Machine Intelligence",
        journal=True,
        volume="39",
        number="12",
        pages="2481--2495",
        year=2017,
        arxiv="1511.00561",
    )

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        channels: Sequence[int] = (64, 128, 256, 512, 512),
        block: str = "conv",
        compression: int = 8,
    ) -> None:
        super().__init__(
            {
                "in_chans": in_chans,
                "num_classes": num_classes,
                "channels": list(channels),
                "block": block,
                "compression": compression,
            }
        )
        if len(channels) != 5:
            raise ValueError(f"channels must be five widths, not {channels}")
        if block not in BLOCKS:
            raise ValueError(f"block must be one of {list(BLOCKS)}, not {block!r}")

        def stage(widths: Sequence[int]) -> nn.Module:
            if block == "conv":
                return conv_stage(widths)
            return create_block("ecdf", widths[0], widths[-1], compression=compression)

        down = pairwise([in_chans, *channels])
        self.encoder = PoolingEncoder(
            [
                stage([narrow, *[wide] * n])
                for (narrow, wide), n in zip(down, (2, 2, 3, 3, 3), strict=True)
            ]
        )
        self.feature_info = FeatureInfo(
            [*channels, channels[-1]],
            [1, 2, 4, 8, 16, 32],
            [*(f"stages.{index}" for index in range(5)), "deepest"],
        )
        up = pairwise(reversed(channels))
        self.decoder = nn.ModuleList(
            stage([*[wide] * n, narrow]) for (wide, narrow), n in zip(up, (3, 3, 3, 2), strict=True)
        )
        self.decoder.append(conv_stage([channels[0]] * 2))
        self.head = nn.Conv2d(channels[0], num_classes, 3, padding=1)
        self.first_conv = f"encoder.stages.0.{'0' if block == 'conv' else 'compress'}.conv"

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Unpool and convolve, from the deepest map to the finest."""
        *finer, x = features
        for stage, level in zip(self.decoder, reversed(finer), strict=True):
            x = stage(unpool(x, level))
        return x, []

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the comparison's SegNet."""
        return rename(state, AUTHORS_NAMES)


@register_model
def segnet(**kwargs: Any) -> SegNet:
    """SegNet of LMSAUNet's comparison: 29.4 M parameters (29,444,162 with two classes)."""
    return SegNet(**kwargs)


@register_model
def segnet_ecdf(**kwargs: Any) -> SegNet:
    """SegNet with one ECDF block in place of each stage but the last: 0.64 M parameters."""
    return SegNet(**{"block": "ecdf", **kwargs})
