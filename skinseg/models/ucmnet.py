"""UCM-Net: perceptrons and depthwise convolutions on a U-shape of six levels."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.blocks import create_block
from skinseg.blocks.channels import norm_groups
from skinseg.blocks.layer_norm import LayerNorm2d
from skinseg.checkpoint import StateDict
from skinseg.models.base import SegmentationModel, upsample
from skinseg.models.citation import Citation
from skinseg.models.features import FeatureInfo
from skinseg.models.keymap import Rule, numbered, rename
from skinseg.models.six_stage import CHANNELS
from skinseg.models.stage_encoder import StageEncoder
from skinseg.registry import register_model

HEAD_CHANNELS = 3

AUTHORS_NAMES: list[Rule] = [
    (r"^encoder1\.", "encoder.stages.0.conv."),
    (r"^ebn1\.", "encoder.stages.0.norm."),
    (r"^patch_embed(\d)\.proj\.", numbered("encoder.stages.{}.reduce.", offset=0)),
    (r"^patch_embed(\d)\.norm\.", numbered("encoder.stages.{}.norm_in.", offset=0)),
    (r"^block_0_1\.0\.", "encoder.stages.1.block."),
    (r"^block(\d)\.0\.", numbered("encoder.stages.{}.block.", offset=2)),
    (r"^norm(\d)\.", numbered("encoder.stages.{}.norm_out.", offset=0)),
    (r"^decoder5\.", "expand."),
    (r"^decoder(\d)\.", numbered("climb.{}.conv.", offset=0)),
    (r"^dbn(\d)\.", numbered("climb.{}.norm.", offset=0)),
    (r"^dblock(\d)\.0\.", numbered("refine.{}.0.", offset=0)),
    (r"^dnorm(\d)\.", numbered("refine.{}.1.", offset=-2)),
    (r"^finalpre(\d)\.", numbered("aux_heads.{}.", offset=0)),
    (r"^final\.", "head."),
    (r"\.norm2\.", ".norm."),
    (r"\.fc1\.", ".first.0."),
    (r"\.fc2\.", ".second.0."),
    (r"\.dwconv\.dwconv\.", ".first.2."),
    (r"\.dwconv1\.dwconv\.", ".second.2."),
    (r"\.dwconv\.", ".first.1."),
    (r"\.dwconv1\.", ".second.1."),
]


class Stem(nn.Module):
    """3x3 convolution, GroupNorm, 2x2 max-pooling, ReLU."""

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_chans, out_chans, 3, padding=1)
        self.norm = nn.GroupNorm(norm_groups(out_chans), out_chans)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H // 2, W // 2)."""
        return F.relu(F.max_pool2d(self.norm(self.conv(x)), 2))


class Descent(nn.Module):
    """1x1 convolution of stride 2, LayerNorm, block, LayerNorm.

    Shape:
        (B, C_in, H, W) -> (B, C_out, ceil(H / 2), ceil(W / 2)).
    """

    def __init__(self, in_chans: int, out_chans: int, block: nn.Module) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(in_chans, out_chans, 1)
        self.norm_in = LayerNorm2d(out_chans, eps=1e-5)
        self.block = block
        self.norm_out = LayerNorm2d(out_chans, eps=1e-5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C_in, H, W) to (B, C_out, ceil(H / 2), ceil(W / 2))."""
        # The stride is a slice. As an argument of a convolution of so few channels it has oneDNN
        # write outside its memory when a channels-last map is learned from (its issue 6035).
        narrowed: torch.Tensor = self.norm_in(self.reduce(x[..., ::2, ::2]))
        out: torch.Tensor = self.norm_out(self.block(narrowed))
        return out


class Climb(nn.Module):
    """1x1 convolution, GroupNorm, bilinear upsampling to the skip, ReLU; the skip is added."""

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_chans, out_chans, 1)
        self.norm = nn.GroupNorm(norm_groups(out_chans), out_chans)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Bring (B, C_in, h, w) to the skip (B, C_out, H, W) and add it."""
        return F.relu(_enlarge(self.norm(self.conv(x)), skip.shape[-2:])) + skip


def _enlarge(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class UCMUNet(SegmentationModel):
    """The U-shape of UCM-Net and MUCM-Net: the block is all that varies.

    Args:
        config: The subclass's constructor arguments, ``in_chans``, ``num_classes`` and
            ``channels`` among them.
        block: Maker of a block that keeps its channels, called with their number.

    Raises:
        ValueError: If there are not six widths.
    """

    first_conv = "encoder.stages.0.conv"
    num_aux = 5

    def __init__(self, config: dict[str, Any], block: Callable[[int], nn.Module]) -> None:
        super().__init__(config)
        channels = config["channels"]
        if len(channels) != 6:
            raise ValueError(f"channels must be six widths, not {channels}")
        stages = (Descent(narrow, wide, block(wide)) for narrow, wide in pairwise(channels))
        self.encoder = StageEncoder([Stem(self.in_chans, channels[0]), *stages])
        self.feature_info = FeatureInfo(
            channels, [2 << level for level in range(6)], [f"stages.{level}" for level in range(6)]
        )
        deepest_first = list(reversed(channels))
        self.climb = nn.ModuleList(Climb(wide, narrow) for wide, narrow in pairwise(deepest_first))
        self.aux_heads = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in deepest_first[1:])
        self.refine = nn.ModuleList(
            nn.Sequential(block(width), LayerNorm2d(width, eps=1e-5)) for width in deepest_first[1:]
        )
        self.expand = nn.Conv2d(channels[0], HEAD_CHANNELS, 1)
        self.head = nn.Conv2d(HEAD_CHANNELS, self.num_classes, 1)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Climb from the deepest map; each sum with a skip has a head, then passes a block."""
        *skips, x = features
        height, width = skips[0].shape[-2:]
        size = (2 * height, 2 * width)
        aux = []
        for index, skip in enumerate(reversed(skips)):
            x = self.climb[index](x, skip)
            # Enlarged first, as the authors do: the published cost counts these convolutions so.
            aux.append(self.aux_heads[index](upsample(x, size)))
            x = self.refine[index](x)
        return F.relu(_enlarge(self.expand(x), size)), aux

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the authors' code.

        The weights and biases that it holds for instance normalization, and does not apply,
        become 1 and 0.
        """
        converted = rename(state, AUTHORS_NAMES)
        for key, value in converted.items():
            if ".first.0.weight" in key or ".second.0.weight" in key:
                converted[key] = value[:, :, None, None]
            elif ".first.1." in key or ".second.1." in key:
                converted[key] = torch.full_like(value, float(key.endswith("weight")))
        return converted


class UCMNet(UCMUNet):
    """UCM-Net: perceptrons and depthwise convolutions on a U-shape of six levels.

    A stem at half the input's size, five stages that each halve it with a 1x1 convolution and
    pass it through a UCM-Net block, and a decoder of as many blocks with additive skips and an
    auxiliary head at each sum.

    Source: Yuan et al. (arXiv 2310.09457). As the authors' code does, the decoder enlarges
    linearly between pixel centers and the auxiliary logits with aligned corners. It differs from
    that code in taking any number of channels, sizes that 64 does not divide, and in applying
    the normalization's weights (see the block).

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits. The auxiliary heads always have one: lesion or not.
        channels: Width of each of the six levels.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> logits, aux = UCMNet()(torch.randn(1, 3, 64, 50), return_aux=True)
        >>> logits.shape, len(aux), aux[0].shape
        (torch.Size([1, 1, 64, 50]), 5, torch.Size([1, 1, 64, 50]))
    """

    paper = Citation(
        key="yuan2023ucmnet",
        title=(
            "UCM-Net: A Lightweight and Efficient Solution for Skin Lesion Segmentation using MLP "
            "and CNN"
        ),
        authors=("Chunyu Yuan", "Dongfang Zhao", "Sos S. Agaian"),
        year=2023,
        arxiv="2310.09457",
    )

    def __init__(
        self, *, in_chans: int = 3, num_classes: int = 1, channels: Sequence[int] = CHANNELS
    ) -> None:
        config = {"in_chans": in_chans, "num_classes": num_classes, "channels": list(channels)}
        super().__init__(config, lambda width: create_block("ucm", width))


@register_model
def ucmnet(**kwargs: Any) -> UCMNet:
    """UCM-Net as published: 47,436 parameters."""
    return UCMNet(**kwargs)
