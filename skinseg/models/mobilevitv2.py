"""MobileViTv2: its encoder at half width under BasicUNet's decoder."""

from itertools import pairwise
from typing import Any

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F

from skinseg.checkpoint import StateDict
from skinseg.models.backbone_unet import BackboneEncoder, BackboneUNet
from skinseg.models.citation import Citation
from skinseg.models.conv_norm import ConvNorm
from skinseg.models.inverted_residual import InvertedResidual, round_channels
from skinseg.models.keymap import Rule, rename
from skinseg.registry import register_model

STEM = 32
CHANNELS = (64, 128, 256, 384, 512)
# Transformer blocks of the three deeper stages.
DEPTHS = (2, 4, 3)

TIMM_NAMES: list[Rule] = [
    # timm's encoders alone join the names of the stages with an underscore.
    (r"^stages_", "stages."),
    (r"^stages\.0\.0\.", "stages.0.1."),
    (r"^stem\.", "stages.0.0."),
    (r"\.conv1_1x1\.", ".expand."),
    (r"\.conv2_kxk\.", ".depthwise."),
    (r"\.conv3_1x1\.", ".project."),
    (r"\.conv_kxk\.", ".local."),
    (r"\.conv_1x1\.", ".narrow."),
    (r"\.conv_proj\.", ".widen."),
    (r"\.bn\.", ".norm."),
    (r"\.norm1\.", ".attention_norm."),
    (r"\.norm2\.", ".mlp_norm."),
    (r"\.attn\.qkv_proj\.", ".attention.query_key_value."),
    (r"\.attn\.out_proj\.", ".attention.project."),
    (r"\.mlp\.fc1\.", ".mlp.0."),
    (r"\.mlp\.fc2\.", ".mlp.2."),
]


class SeparableSelfAttention(nn.Module):
    """Self-attention whose cost grows linearly with the number of tokens.

    Each token has one score; the keys, averaged with the scores' softmax over the tokens, are the
    context vector, which multiplies every token's value.

    Source: Mehta and Rastegari, TMLR 2023 (arXiv 2206.02680), Section 3.2.

    Args:
        dim: Width of the tokens.

    Shape:
        (B, dim, P, N) -> (B, dim, P, N): N tokens attend to each other, in P sets of their own.

    Example:
        >>> SeparableSelfAttention(8)(torch.randn(2, 8, 4, 6)).shape
        torch.Size([2, 8, 4, 6])
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.query_key_value = nn.Conv2d(dim, 1 + 2 * dim, 1)
        self.project = nn.Conv2d(dim, dim, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Attend among the tokens of ``x`` (B, dim, P, N)."""
        query, key, value = self.query_key_value(x).split([1, self.dim, self.dim], dim=1)
        context = (query.softmax(-1) * key).sum(-1, keepdim=True)
        attended: torch.Tensor = self.project(value.relu() * context)
        return attended


class TransformerBlock(nn.Module):
    """Separable self-attention, then two layers with SiLU between; a norm before each residual.

    The norm is of one group: over the channels and all tokens of an image.

    Args:
        dim: Width of the tokens.

    Shape:
        (B, dim, P, N) -> (B, dim, P, N), floating point.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.attention_norm = nn.GroupNorm(1, dim)
        self.attention = SeparableSelfAttention(dim)
        self.mlp_norm = nn.GroupNorm(1, dim)
        self.mlp = nn.Sequential(nn.Conv2d(dim, 2 * dim, 1), nn.SiLU(), nn.Conv2d(2 * dim, dim, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform the tokens ``x`` (B, dim, P, N)."""
        x = x + self.attention(self.attention_norm(x))
        out: torch.Tensor = x + self.mlp(self.mlp_norm(x))
        return out


class MobileViTv2Block(nn.Module):
    """A depthwise convolution, then a transformer among the positions of like place in a patch.

    Source: Mehta and Rastegari, TMLR 2023 (arXiv 2206.02680), Section 3.3; patches of 2x2.

    Args:
        channels: Channels C.
        depth: Number of transformer blocks.

    Shape:
        (B, C, H, W) -> (B, C, 2 * ceil(H / 2), 2 * ceil(W / 2)), floating point: a map that
        patches do not fill is enlarged to the next that they do.

    Example:
        >>> MobileViTv2Block(16, 2)(torch.randn(2, 16, 3, 6)).shape
        torch.Size([2, 16, 4, 6])
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        dim = round_channels(channels / 2)
        self.local = ConvNorm(channels, channels, 3, groups=channels, act=nn.SiLU())
        self.narrow = nn.Conv2d(channels, dim, 1, bias=False)
        self.transformer = nn.Sequential(*(TransformerBlock(dim) for _ in range(depth)))
        self.norm = nn.GroupNorm(1, dim)
        self.widen = ConvNorm(dim, channels, 1, act=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform ``x`` (B, C, H, W)."""
        height, width = ((side + 1) // 2 for side in x.shape[-2:])
        # Without a branch on the size, which would tie an exported network to it; a map that is
        # already of this size stays the same to the bit.
        size = (2 * height, 2 * width)
        x = F.interpolate(x, size=size, mode="bilinear", align_corners=True)
        x = self.narrow(self.local(x))
        tokens = rearrange(x, "b c (h p) (w q) -> b c (p q) (h w)", p=2, q=2)
        tokens = self.norm(self.transformer(tokens))
        x = rearrange(tokens, "b c (p q) (h w) -> b c (h p) (w q)", p=2, h=height, w=width)
        widened: torch.Tensor = self.widen(x)
        return widened


def bottleneck(in_chans: int, out_chans: int, stride: int) -> InvertedResidual:
    """Return an inverted residual that doubles the channels within."""
    expanded = round_channels(2 * in_chans)
    return InvertedResidual(in_chans, out_chans, expanded, nn.SiLU(), stride=stride)


def mobilevitv2_encoder(in_chans: int, width: float) -> BackboneEncoder:
    """Return MobileViTv2 without its classifier: maps at H/2, H/4, H/8, H/16 and H/32.

    Args:
        in_chans: Channels of the input.
        width: Factor of the widths; 1 is the published network.
    """
    stem, *channels = (int(c * width) for c in (STEM, *CHANNELS))
    first, second, *_ = channels
    stages = [
        nn.Sequential(
            ConvNorm(in_chans, stem, 3, stride=2, act=nn.SiLU()), bottleneck(stem, first, 1)
        ),
        nn.Sequential(bottleneck(first, second, 2), bottleneck(second, second, 1)),
    ]
    stages += [
        nn.Sequential(bottleneck(narrow, wide, 2), MobileViTv2Block(wide, depth))
        for (narrow, wide), depth in zip(pairwise(channels[1:]), DEPTHS, strict=True)
    ]
    return BackboneEncoder(stages, channels)


class MobileViTv2(BackboneUNet):
    """MobileViTv2 as the encoder of BasicUNet's decoder.

    Source: Mehta and Rastegari, TMLR 2023 (arXiv 2206.02680). The network of that name in
    EGE-UNet's Table 1 (arXiv 2307.08473), at half the published width; see
    :class:`~skinseg.models.backbone_unet.BackboneUNet` for how its decoder was found.

    In training, BatchNorm needs more than one value per channel: a batch of one image must be
    larger than 32x32.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits.
        width: Factor of the encoder's widths, 0.125 or more; 0.5 is timm's ``mobilevitv2_050``.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> MobileViTv2(width=0.25)(torch.randn(2, 3, 45, 50)).shape
        torch.Size([2, 1, 45, 50])
    """

    paper = Citation(
        key="mehta2022mobilevitv2",
        title="Separable Self-attention for Mobile Vision Transformers",
        authors=("Sachin Mehta", "Mohammad Rastegari"),
        year=2022,
        arxiv="2206.02680",
    )

    first_conv = "encoder.stages.0.0.conv"

    def __init__(self, *, in_chans: int = 3, num_classes: int = 1, width: float = 0.5) -> None:
        super().__init__(
            {"in_chans": in_chans, "num_classes": num_classes, "width": width}, mobilevitv2_encoder
        )

    @classmethod
    def convert_encoder_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of timm's ``mobilevitv2_*``, without the classifier's."""
        encoder = {key: value for key, value in state.items() if not key.startswith("head.")}
        return rename(encoder, TIMM_NAMES)


@register_model
def mobilevitv2(**kwargs: Any) -> MobileViTv2:
    """MobileViTv2 at half width under BasicUNet's decoder: 1,870,586 parameters."""
    return MobileViTv2(**kwargs)
