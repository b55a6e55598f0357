"""DeepLabV3: convolutions of several dilations on the last map of a dilated ResNet."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from skinseg.checkpoint import StateDict
from skinseg.models.authors import IMAGENET, AuthorsCode
from skinseg.models.base import SegmentationModel
from skinseg.models.citation import Citation
from skinseg.models.conv_norm import ConvNorm
from skinseg.models.keymap import Rule, numbered, rename
from skinseg.models.resnet import Bottleneck, ResNet, count_blocks
from skinseg.registry import register_model

RATES = (6, 12, 18)

AUTHORS_NAMES: list[Rule] = [
    (r"^backbone\.0\.", "encoder.conv1."),
    (r"^backbone\.1\.", "encoder.bn1."),
    (r"^backbone\.(\d)\.", numbered("encoder.layer{}.", offset=-3)),
    (r"^aspp\.conv_1x1\.", "aspp.branches.0."),
    (r"^aspp\.conv_(\d+)_1\.", lambda match: f"aspp.branches.{int(match[1]) // 6}."),
    (r"^aspp\.avg_pool\.1\.", "aspp.image.conv."),
    (r"^aspp\.avg_pool\.2\.", "aspp.image.norm."),
    (r"^aspp\.fusion\.", "fuse."),
    (r"^(aspp\.branches\.\d|fuse)\.0\.", r"\1.conv."),
    (r"^(aspp\.branches\.\d|fuse)\.1\.", r"\1.norm."),
    (r"^classifier\.0\.", "head."),
]


def _arguments(state: StateDict) -> dict[str, Any]:
    first = state[f"{DeepLabV3.first_conv}.weight"]
    return {
        "in_chans": first.shape[1],
        "num_classes": len(state["head.weight"]),
        "layers": count_blocks(state, "encoder."),
        "width": len(first),
        "decoder_channels": state["head.weight"].shape[1],
    }


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (ASPP).

    A 1x1 convolution, three dilated 3x3 convolutions and a 1x1 convolution of the map's mean, each
    with BatchNorm and ReLU, beside one another.

    Source: Chen et al. (arXiv 1706.05587), Section 3.3.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C of each of the five.

    Shape:
        (B, C_in, H, W) -> (B, 5 * C, H, W).
    """

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList([ConvNorm(in_chans, out_chans, 1)])
        self.branches.extend(ConvNorm(in_chans, out_chans, 3, dilation=rate) for rate in RATES)
        self.image = ConvNorm(in_chans, out_chans, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve ``x`` (B, C_in, H, W) at each rate."""
        image = self.image(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[-2:])
        return torch.cat([*(branch(x) for branch in self.branches), image], dim=1)


class DeepLabV3(SegmentationModel):
    """DeepLabV3 of LMSAUNet's comparison: a ResNet-50 at 1/16, and ASPP on its last map.

    Source: Chen et al. (arXiv 1706.05587), as in the public code of LMSAUNet's comparison (Sci Rep
    15, 34327, 2025): the logits come from a 1x1 convolution right after the fusion.

    In training, BatchNorm needs more than one value per channel: a batch must have two images.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits. The paper has two (background, lesion).
        layers: Blocks of each of the encoder's four stages.
        width: Width of the first stage.
        decoder_channels: Channels of each branch of the ASPP, and of their fusion.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> net = DeepLabV3(layers=(1, 1, 1, 1), width=4, decoder_channels=8)
        >>> net(torch.randn(2, 3, 45, 50)).shape
        torch.Size([2, 1, 45, 50])
    """

    paper = Citation(
        key="chen2017deeplabv3",
        title="Rethinking Atrous Convolution for Semantic Image Segmentation",
        authors=("Liang-Chieh Chen", "George Papandreou", "Florian Schroff", "Hartwig Adam"),
        year=2017,
        arxiv="1706.05587",
    )

    first_conv = "encoder.conv1"
    encoder: ResNet

    authors_code = AuthorsCode("deeplabv3", r"aspp\.conv_6_1\.", 224, IMAGENET, _arguments)

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        layers: Sequence[int] = (3, 4, 6, 3),
        width: int = 64,
        decoder_channels: int = 256,
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
        self.encoder = ResNet(Bottleneck, layers, in_chans=in_chans, width=width, output_stride=16)
        self.feature_info = self.encoder.feature_info
        self.aspp = ASPP(self.feature_info.channels()[-1], decoder_channels)
        self.fuse = ConvNorm((2 + len(RATES)) * decoder_channels, decoder_channels, 1)
        self.head = nn.Conv2d(decoder_channels, num_classes, 1)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Pool the deepest map at several rates, and fuse."""
        return self.fuse(self.aspp(features[-1])), []

    def convert_encoder_weights(self, state: StateDict) -> StateDict:
        """Take the weights of torchvision's or timm's ``resnet50``, without the classifier's."""
        return self.encoder.convert_published_weights(state)

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the comparison's DeepLabV3."""
        return rename(state, AUTHORS_NAMES)


@register_model
def deeplabv3(**kwargs: Any) -> DeepLabV3:
    """DeepLabV3 with a ResNet-50: 39.0 M parameters (39,043,650 with two classes)."""
    return DeepLabV3(**kwargs)
