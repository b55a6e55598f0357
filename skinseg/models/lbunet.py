"""LB-UNet: group shuffle attention, and skips that the predicted region and boundary guide."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from skinseg.checkpoint import StateDict
from skinseg.models.base import init_conv
from skinseg.models.citation import Citation
from skinseg.models.keymap import SIX_STAGE_RULES, Rule, numbered, rename
from skinseg.models.six_stage import CHANNELS, SixStageUNet, block, conv3x3
from skinseg.registry import register_model

# How much the predicted region and boundary add to the skip, coarsest level first; those of the
# published network. The two coarsest levels have no boundary.
REGION_GAIN = (0.1, 0.2, 0.3, 0.4, 0.5)
BOUNDARY_GAIN = (0.1, 0.2, 0.3)

AUTHORS_NAMES: list[Rule] = [
    *SIX_STAGE_RULES,
    (r"^Down(\d)\.bn\.", numbered("encoder.stages.{}.pool.norm.")),
    (r"^Down(\d)\.conv\.", numbered("encoder.stages.{}.pool.conv.")),
    (r"^(encoder\.stages\.2\.block)\.(weight|bias)$", r"\1.conv.\2"),
    (r"\.block\.1\.conv1\.", ".block.depthwise."),
    (r"\.block\.1\.norm1\.", ".block.depthwise_norm."),
    (r"\.block\.1\.conv2\.", ".block.expand."),
    (r"\.block\.1\.conv3\.", ".block.reduce."),
    (r"\.block\.1\.norm2\.", ".block.reduce_norm."),
    (r"\.block\.0\.share_space(\d)$", numbered(".block.planes.{}.tensor")),
    (r"\.block\.0\.conv(\d)\.", numbered(".block.planes.{}.refine.")),
    (r"\.block\.0\.norm1\.", ".block.norm_in."),
    (r"\.block\.0\.norm2\.", ".block.norm_out."),
    (r"\.block\.0\.ldw\.", ".block.project."),
    (r"^pred(\d)\.conv\.", numbered("aux_heads.{}.")),
    (r"^gate(\d)\.conv1\.", numbered("boundary_heads.{}.")),
    (r"^gate(\d)\.conv2\.", numbered("aux_heads.{}.", offset=1)),
    (r"^head\.0\.", "head."),
]


class NormDown(nn.Sequential):
    """BatchNorm and a 2x2 convolution of stride 2; (B, C, H, W) -> (B, C, H // 2, W // 2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels, 2, stride=2)


class LargeKernelStage(nn.Sequential):
    """3x3 convolution, 7x7 depthwise convolution and an inverted bottleneck.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), H and W at least 4.
    """

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        self.conv = conv3x3(in_chans, out_chans)
        self.depthwise = nn.Conv2d(
            out_chans, out_chans, 7, padding=3, padding_mode="reflect", groups=out_chans
        )
        self.depthwise_norm = nn.BatchNorm2d(out_chans)
        self.expand = nn.Conv2d(out_chans, 4 * out_chans, 1)
        self.expand_act = nn.GELU()
        self.reduce = nn.Conv2d(4 * out_chans, out_chans, 1)
        self.reduce_norm = nn.BatchNorm2d(out_chans)
        self.reduce_act = nn.GELU()


class LBUNet(SixStageUNet):
    """Lightweight Boundary-assisted UNet.

    Stages 4 to 6 are Group Shuffle Attention (GSA). Each decoder stage predicts the lesion, the
    three finest ones its boundary too; both strengthen the decoder's map and the skip where they
    are sure.

    Source: Xu and Tong, MICCAI 2024. The paper prints 38 K parameters; the published network has
    55,865. Training with the paper's boundary maps, which a genetic algorithm makes, is not part
    of this package: without it the boundary heads learn through the skips that they guide.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits. The auxiliary heads always have one: lesion or not.
        channels: Width of each of the six stages.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> logits, aux = LBUNet()(torch.randn(1, 3, 64, 50), return_aux=True)
        >>> logits.shape, len(aux), aux[0].shape
        (torch.Size([1, 1, 64, 50]), 5, torch.Size([1, 1, 64, 50]))
    """

    num_aux = 5
    paper = Citation(
        key="xu2024lbunet",
        title="LB-UNet: A Lightweight Boundary-Assisted UNet for Skin Lesion Segmentation",
        authors=("Jiahao Xu", "Lyuyang Tong"),
        venue="Medical Image Computing and Computer-Assisted Intervention (MICCAI)",
        year=2024,
        link="https://papers.miccai.org/miccai-2024/446-Paper2135.html",
    )

    def __init__(
        self, *, in_chans: int = 3, num_classes: int = 1, channels: Sequence[int] = CHANNELS
    ) -> None:
        config = {"in_chans": in_chans, "num_classes": num_classes, "channels": list(channels)}
        super().__init__(config, encoder_block=block("gsa"), decoder_block=block("gsa"))
        stages = self.encoder.get_submodule("stages")
        for stage, width in zip(list(stages.children())[:3], channels[:3], strict=True):
            stage.pool = NormDown(width)
        self.encoder.get_submodule("stages.2").block = LargeKernelStage(channels[1], channels[2])
        coarsest_first = list(reversed(channels[:5]))
        self.aux_heads = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in coarsest_first)
        self.boundary_heads = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in coarsest_first[2:])
        self.apply(init_conv)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Climb from the deepest map, adding at each stage its skip, both as predictions guide."""
        x, regions, _ = self._decode(features)
        return x, regions

    def predict_boundaries(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Predict the lesion's boundary at the three finest decoder stages.

        Args:
            x: Images (B, in_chans, H, W), as for :meth:`forward`.

        Returns:
            Three maps of probabilities (B, 1, H, W), coarsest first.

        Raises:
            TypeError: If ``x`` is not a floating-point tensor.
            ValueError: If its rank, channels or size do not fit.
        """
        self.check_input(x)
        _, _, boundaries = self._decode(self.encoder(x))
        return [self._to_size_of(x, boundary.sigmoid()) for boundary in boundaries]

    def _decode(
        self, features: list[torch.Tensor]
    ) -> tuple[torch.Tensor, list[torch.Tensor], list[torch.Tensor]]:
        *skips, x = features
        regions, boundaries = [], []
        for index, skip in enumerate(reversed(skips)):
            x = self.decoder[index](x, skip.shape[-2:])
            regions.append(self.aux_heads[index](x))
            region = regions[-1].sigmoid()
            gain, skip_gain = 1 + region, 1 + REGION_GAIN[index] * region
            if index >= 2:
                boundaries.append(self.boundary_heads[index - 2](x))
                boundary = boundaries[-1].sigmoid()
                gain, skip_gain = gain + boundary, skip_gain + BOUNDARY_GAIN[index - 2] * boundary
            x = x * gain + skip * skip_gain
        return x, regions, boundaries

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the authors' code."""
        return rename(state, AUTHORS_NAMES)


@register_model
def lbunet(**kwargs: Any) -> LBUNet:
    """LB-UNet as published: 55,865 parameters."""
    return LBUNet(**kwargs)
