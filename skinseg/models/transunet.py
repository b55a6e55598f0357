"""TransUNet: a vision transformer between a convolutional encoder and a U-Net decoder."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from skinseg.blocks import create_block
from skinseg.checkpoint import StateDict
from skinseg.models.base import SegmentationModel, upsample
from skinseg.models.citation import Citation
from skinseg.models.conv_norm import ConvNorm
from skinseg.models.features import FeatureInfo
from skinseg.models.keymap import Rule, numbered, rename
from skinseg.models.vision_transformer import VisionTransformer
from skinseg.registry import register_model

BLOCKS = ("conv", "ecdf")
STRIDE = 16

Builder = Callable[[int, int], nn.Module]

AUTHORS_NAMES: list[Rule] = [
    (r"^encoder\.(conv|norm)1\.", r"encoder.stem.\1."),
    (r"^encoder\.(conv|norm)2\.", r"encoder.reduce.\1."),
    (r"^encoder\.encoder(\d)\.", numbered("encoder.stages.{}.")),
    (r"\.downsample\.0\.", ".shortcut.conv."),
    (r"\.downsample\.1\.", ".shortcut.norm."),
    (r"^(encoder\.stages\.\d)\.(conv|norm)1\.", r"\1.compress.\2."),
    (r"^(encoder\.stages\.\d)\.(conv|norm)2\.", r"\1.downsample.\2."),
    (r"^(encoder\.stages\.\d)\.(conv|norm)3\.", r"\1.expand.\2."),
    (r"^encoder\.vit\.", "encoder.transformer."),
    (r"\.embedding$", ".position"),
    (r"\.cls_token$", ".class_token"),
    (r"\.projection\.", ".project."),
    (r"\.transformer\.layer_blocks\.", ".blocks."),
    (r"\.multi_head_attention\.qkv_layer\.", ".attention.qkv."),
    (r"\.multi_head_attention\.out_attention\.", ".attention.project."),
    (r"\.mlp\.mlp_layers\.", ".mlp."),
    (r"\.layer_norm1\.", ".attention_norm."),
    (r"\.layer_norm2\.", ".mlp_norm."),
    (r"^decoder\.decoder(\d)\.layer\.", numbered("decoder.{}.")),
    (r"^(decoder\.\d)\.0\.", r"\1.0.conv."),
    (r"^(decoder\.\d)\.1\.", r"\1.0.norm."),
    (r"^(decoder\.\d)\.3\.", r"\1.1.conv."),
    (r"^(decoder\.\d)\.4\.", r"\1.1.norm."),
    (r"^decoder\.conv1\.", "head."),
]


class Bottleneck(nn.Module):
    """Residual 1x1, 3x3 and 1x1 convolutions that halve H and W.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out.

    Shape:
        (B, C_in, H, W) -> (B, C_out, ceil(H / 2), ceil(W / 2)).
    """

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        self.shortcut = ConvNorm(in_chans, out_chans, 1, stride=2, act=False)
        self.compress = ConvNorm(in_chans, out_chans, 1)
        self.downsample = ConvNorm(out_chans, out_chans, 3, stride=2)
        self.expand = ConvNorm(out_chans, out_chans, 1, act=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve ``x`` (B, C_in, H, W)."""
        summed: torch.Tensor = self.expand(self.downsample(self.compress(x))) + self.shortcut(x)
        return summed.relu()


def double_conv(in_chans: int, out_chans: int) -> nn.Module:
    """Return two 3x3 convolutions, each with BatchNorm and ReLU."""
    return nn.Sequential(
        ConvNorm(in_chans, out_chans, 3, bias=True), ConvNorm(out_chans, out_chans, 3, bias=True)
    )


def builders(block: str, compression: int) -> tuple[Builder, Builder, Builder]:
    """Return the makers of the convolutional parts.

    Args:
        block: ``"conv"`` or ``"ecdf"``.
        compression: N of the ECDF blocks.

    Returns:
        What makes a halving stage, the layer after the transformer, and a stage of the decoder:
        functions of the channels of input and output.
    """
    if block == "conv":
        return Bottleneck, partial(ConvNorm, kernel_size=3, bias=True), double_conv
    ecdf = partial(create_block, "ecdf", compression=compression)
    return lambda narrow, wide: nn.Sequential(ecdf(narrow, wide), nn.MaxPool2d(2)), ecdf, ecdf


class HybridEncoder(nn.Module):
    """Convolutions down to 1/16 of the image, then a vision transformer on their output.

    Args:
        stem: First layer, which halves H and W.
        stages: Three stages, each of which halves them again.
        transformer: Transformer on the deepest map.
        reduce: Layer after the transformer.

    Shape:
        (B, in_chans, H, W) -> a list of maps at H/2, H/4, H/8 and H/16, the last one transformed.
    """

    def __init__(
        self,
        stem: nn.Module,
        stages: Sequence[nn.Module],
        transformer: VisionTransformer,
        reduce: nn.Module,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self.transformer = transformer
        self.reduce = reduce

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the feature maps of ``x``, finest first."""
        maps = [self.stem(x)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return [*maps[:-1], self.reduce(self.transformer(maps[-1]))]


class TransUNet(SegmentationModel):
    """The small TransUNet of LMSAUNet's comparison.

    Three bottlenecks, a vision transformer at 1/16 of the image's size, and a U-Net decoder that
    upsamples bilinearly. It differs from Chen et al., arXiv 2102.04306, in its size (their encoder
    is a ResNet-50 and ViT-Base, 105 M parameters) and in its attention; see
    :class:`~skinseg.models.vision_transformer.SelfAttention`.

    Source: LMSAUNet (Sci Rep 15, 34327, 2025), which names the network and gives no sizes; these
    are those of the public code that it compares with. The paper does not say what ECDF replaces;
    here it is each bottleneck (followed by max-pooling), the convolution after the transformer, and
    each pair of convolutions of the decoder.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits. The paper has two (background, lesion).
        channels: Width at half the image's size; the transformer is eight times as wide.
        depth: Transformer blocks.
        num_heads: Attention heads.
        mlp_dim: Width of the transformer blocks' hidden layer.
        img_size: Side of the images that the position embeddings are for, a multiple of 16. At
            any other size they are resized bilinearly.
        dropout: Probability of dropping a value in the transformer, in training.
        block: What the convolutional parts are made of, ``"conv"`` or ``"ecdf"``.
        compression: N of the ECDF blocks, an even number from 2 to 32.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> net = TransUNet(channels=8, depth=1, mlp_dim=16, img_size=64)
        >>> net(torch.randn(2, 3, 48, 50)).shape
        torch.Size([2, 1, 48, 50])
    """

    first_conv = "encoder.stem.conv"
    paper = Citation(
        key="chen2021transunet",
        title="TransUNet: Transformers Make Strong Encoders for Medical Image Segmentation",
        authors=(
            "Jieneng Chen",
            "Yongyi Lu",
            "Qihang Yu",
            "Xiangde Luo",
            "Ehsan Adeli",
            "Yan Wang",
            "Le Lu",
            "Alan L. Yuille",
            "Yuyin Zhou",
        ),
        year=2021,
        arxiv="2102.04306",
    )

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        channels: int = 128,
        depth: int = 8,
        num_heads: int = 4,
        mlp_dim: int = 512,
        img_size: int = 224,
        dropout: float = 0.1,
        block: str = "conv",
        compression: int = 8,
    ) -> None:
        super().__init__(
            {
                "in_chans": in_chans,
                "num_classes": num_classes,
                "channels": channels,
                "depth": depth,
                "num_heads": num_heads,
                "mlp_dim": mlp_dim,
                "img_size": img_size,
                "dropout": dropout,
                "block": block,
                "compression": compression,
            }
        )
        if channels < 8 or channels % 8:
            raise ValueError(f"channels must be a multiple of 8, not {channels}")
        if img_size < STRIDE or img_size % STRIDE:
            raise ValueError(f"img_size must be a multiple of {STRIDE}, not {img_size}")
        if block not in BLOCKS:
            raise ValueError(f"block must be one of {list(BLOCKS)}, not {block!r}")

        down, reduce, fuse = builders(block, compression)
        wide = 8 * channels
        self.encoder = HybridEncoder(
            stem=ConvNorm(in_chans, channels, 7, stride=2),
            stages=[down(channels * n, channels * 2 * n) for n in (1, 2, 4)],
            transformer=VisionTransformer(
                wide, img_size // STRIDE, depth, num_heads, mlp_dim, dropout
            ),
            reduce=reduce(wide, wide // 2),
        )
        self.feature_info = FeatureInfo(
            [channels, 2 * channels, 4 * channels, 4 * channels],
            [2, 4, 8, 16],
            ["stem", "stages.0", "stages.1", "reduce"],
        )
        # The first three see a skip as wide as what comes from below; the last sees none.
        self.decoder = nn.ModuleList(fuse(wide // n, wide // (4 * n)) for n in (1, 2, 4)).append(
            fuse(wide // 16, wide // 64)
        )
        self.head = nn.Conv2d(wide // 64, num_classes, 1)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Upsample, join the skip, and fuse; then double the size once more."""
        *skips, x = features
        *fusing, last = self.decoder
        for fuse, skip in zip(fusing, reversed(skips), strict=True):
            height, width = skip.shape[-2:]
            x = fuse(torch.cat([skip, upsample(x, (height, width))], dim=1))
        return last(upsample(x, (2 * x.shape[-2], 2 * x.shape[-1]))), []

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the comparison's TransUNet."""
        return rename(state, AUTHORS_NAMES)


@register_model
def transunet_small(**kwargs: Any) -> TransUNet:
    """TransUNet of LMSAUNet's comparison: 67.0 M parameters (67,017,858 with two classes)."""
    return TransUNet(**kwargs)


@register_model
def transunet_small_ecdf(**kwargs: Any) -> TransUNet:
    """TransUNet of that comparison with ECDF blocks in encoder and decoder."""
    return TransUNet(**{"block": "ecdf", **kwargs})
