"""BiSeNet: a shallow path for detail, a deep one for context, fused at 1/16."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.checkpoint import StateDict
from skinseg.models.authors import IMAGENET, AuthorsCode
from skinseg.models.base import SegmentationModel
from skinseg.models.citation import Citation
from skinseg.models.conv_norm import ConvNorm
from skinseg.models.features import FeatureInfo
from skinseg.models.keymap import Rule, numbered, rename
from skinseg.models.resnet import BasicBlock, ResNet, count_blocks
from skinseg.registry import register_model

AUTHORS_NAMES: list[Rule] = [
    # The last of the three convolutions has a channel per class, and so is not the encoder's.
    (r"^spatial_path\.layers\.6\.", "spatial.conv."),
    (r"^spatial_path\.layers\.7\.", "spatial.norm."),
    (r"^spatial_path\.layers\.0\.", "encoder.spatial.0.conv."),
    (r"^spatial_path\.layers\.1\.", "encoder.spatial.0.norm."),
    (r"^spatial_path\.layers\.3\.", "encoder.spatial.1.conv."),
    (r"^spatial_path\.layers\.4\.", "encoder.spatial.1.norm."),
    (r"^context_path\.0\.", "encoder.context.conv1."),
    (r"^context_path\.1\.", "encoder.context.bn1."),
    (r"^context_path\.(\d)\.", numbered("encoder.context.layer{}.", offset=-3)),
    (r"^arm\.conv\.", "refine.attention.conv."),
    (r"^arm\.bn\.", "refine.attention.norm."),
    (r"^ffm\.conv1\.", "head.join.conv."),
    (r"^ffm\.bn\.", "head.join.norm."),
    (r"^ffm\.attention\.1\.", "head.attention."),
]


def _arguments(state: StateDict) -> dict[str, Any]:
    return {
        "in_chans": state[f"{BiSeNet.first_conv[1]}.weight"].shape[1],
        "num_classes": len(state["spatial.conv.weight"]),
        "spatial_channels": [len(state[f"encoder.spatial.{n}.conv.weight"]) for n in range(2)],
        "layers": count_blocks(state, "encoder.context."),
        "width": len(state[f"{BiSeNet.first_conv[1]}.weight"]),
    }


class TwoPathEncoder(nn.Module):
    """The spatial path's first convolutions, and the context path.

    Args:
        in_chans: Channels of the input.
        spatial_channels: Width of each convolution of the spatial path.
        context: Residual network.

    Attributes:
        feature_info: Description of the maps.

    Shape:
        (B, in_chans, H, W) -> the spatial path's maps at H/2 and H/4, then the context path's from
        H/8 on, rounded up.
    """

    def __init__(self, in_chans: int, spatial_channels: Sequence[int], context: ResNet) -> None:
        super().__init__()
        narrow, wide = spatial_channels
        self.spatial = nn.Sequential(
            ConvNorm(in_chans, narrow, 3, stride=2, bias=True),
            ConvNorm(narrow, wide, 3, stride=2, bias=True),
        )
        self.context = context
        deeper = range(2, len(context.feature_info))
        info = context.feature_info.select(deeper)
        self.feature_info = FeatureInfo(
            [narrow, wide, *info.channels()],
            [2, 4, *info.reduction()],
            ["spatial.0", "spatial.1", *(f"context.{name}" for name in info.module_name())],
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps of ``x`` (B, in_chans, H, W), finest first."""
        first = self.spatial[0](x)
        return [first, self.spatial[1](first), *self.context(x)[2:]]


class AttentionRefinement(nn.Module):
    """Attention refinement module (ARM): channels weighted by what the whole map holds.

    Source: Yu et al., ECCV 2018 (arXiv 1808.00897), Section 3.2 and Figure 2b.

    Args:
        channels: Channels C.

    Shape:
        (B, C, H, W) -> (B, C, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = ConvNorm(channels, channels, 1, bias=True, act=nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Weight the channels of ``x`` (B, C, H, W)."""
        weights: torch.Tensor = self.attention(x.mean((2, 3), keepdim=True))
        return x * weights


class FeatureFusion(nn.Module):
    """Feature fusion module (FFM), whose channels are the classes here.

    Source: Yu et al., ECCV 2018 (arXiv 1808.00897), Section 3.3 and Figure 2c. As in the public
    code of LMSAUNet's comparison, it is the network's last layer, and its attention a single
    convolution. Its output is never negative. Of one class it therefore makes two maps,
    background and lesion, and returns by how much the second one is larger.

    Args:
        in_chans: Channels C_in of both paths' maps, beside one another.
        num_classes: Channels of the result.

    Shape:
        (B, C_in, H, W) -> (B, num_classes, H, W).
    """

    def __init__(self, in_chans: int, num_classes: int) -> None:
        super().__init__()
        maps = max(num_classes, 2)
        self.num_classes = num_classes
        self.join = ConvNorm(in_chans, maps, 1, bias=True)
        self.attention = nn.Conv2d(maps, maps, 1)
        # Both paths' maps are not negative either: so no class begins at zero everywhere, where
        # it would have no gradient.
        nn.init.uniform_(self.join.conv.weight, 0, 2 / in_chans)
        nn.init.zeros_(self.join.conv.get_parameter("bias"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Fuse the maps ``x`` (B, C_in, H, W)."""
        joined: torch.Tensor = self.join(x)
        fused: torch.Tensor = (
            joined + joined * self.attention(joined.mean((2, 3), keepdim=True)).sigmoid()
        )
        return fused if self.num_classes > 1 else fused[:, 1:] - fused[:, :1]


class BiSeNet(SegmentationModel):
    """BiSeNet of LMSAUNet's comparison: a ResNet-18 without its last stage as the context path.

    Source: Yu et al., ECCV 2018 (arXiv 1808.00897), as in the public code of LMSAUNet's comparison
    (Sci Rep 15, 34327, 2025). It has one attention refinement module, and brings the spatial
    path's map to the size of the context path's, 1/16, where the paper does the reverse.

    In training, BatchNorm needs more than one value per channel: a batch must have two images.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits. The paper has two (background, lesion). One is their
            difference; see :class:`FeatureFusion`.
        spatial_channels: Width of the spatial path's first two convolutions.
        layers: Blocks of each of the context path's three stages.
        width: Width of its first stage.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> net = BiSeNet(spatial_channels=(4, 8), layers=(1, 1, 1), width=4)
        >>> net(torch.randn(2, 3, 45, 50)).shape
        torch.Size([2, 1, 45, 50])
    """

    paper = Citation(
        key="yu2018bisenet",
        title="BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation",
        authors=(
            "Changqian Yu",
            "Jingbo Wang",
            "Chao Peng",
            "Changxin Gao",
            "Gang Yu",
            "Nong Sang",
        ),
        venue="European Conference on Computer Vision (ECCV)",
        year=2018,
        arxiv="1808.00897",
    )

    first_conv = ("encoder.spatial.0.conv", "encoder.context.conv1")
    classifier = ("spatial", "head")
    backbones = ("context",)
    align_corners = False
    encoder: TwoPathEncoder

    authors_code = AuthorsCode("bisenet", r"spatial_path\.layers\.", 224, IMAGENET, _arguments)

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        spatial_channels: Sequence[int] = (64, 128),
        layers: Sequence[int] = (2, 2, 2),
        width: int = 64,
    ) -> None:
        super().__init__(
            {
                "in_chans": in_chans,
                "num_classes": num_classes,
                "spatial_channels": list(spatial_channels),
                "layers": list(layers),
                "width": width,
            }
        )
        if len(spatial_channels) != 2:
            raise ValueError(f"spatial_channels must be two widths, not {spatial_channels}")
        if len(layers) != 3:
            raise ValueError(f"layers must be the blocks of three stages, not {layers}")
        context = ResNet(BasicBlock, layers, in_chans=in_chans, width=width)
        self.encoder = TwoPathEncoder(in_chans, spatial_channels, context)
        self.feature_info = self.encoder.feature_info
        maps = max(num_classes, 2)
        deepest = self.feature_info.channels()[-1]
        self.spatial = ConvNorm(spatial_channels[-1], maps, 3, stride=2, bias=True)
        self.refine = AttentionRefinement(deepest)
        self.head = FeatureFusion(maps + deepest, num_classes)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Refine the context, and put what the spatial path says of the classes beside it."""
        spatial, context = self.spatial(features[1]), self.refine(features[-1])
        spatial = F.interpolate(spatial, size=context.shape[-2:], mode="bilinear")
        return torch.cat([spatial, context], dim=1), []

    def convert_encoder_weights(self, state: StateDict) -> StateDict:
        """Take what the context path has of the weights of torchvision's or timm's ``resnet18``."""
        published = self.encoder.context.convert_published_weights(state)
        return {f"context.{key}": value for key, value in published.items()}

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the comparison's BiSeNet."""
        return rename(state, AUTHORS_NAMES)


@register_model
def bisenet(**kwargs: Any) -> BiSeNet:
    """BiSeNet with a ResNet-18 cut after 1/16: 2.93 M parameters (2,927,958 with two classes)."""
    return BiSeNet(**kwargs)
