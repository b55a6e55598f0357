"""TransFuse: a ResNet and a transformer beside each other, fused at three scales."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.checkpoint import StateDict
from skinseg.models.attention_gate import AttentionGate
from skinseg.models.base import SegmentationModel
from skinseg.models.citation import Citation
from skinseg.models.conv_norm import ConvNorm
from skinseg.models.deit import PATCH_SIZE, PUBLISHED_NAMES, DeiT
from skinseg.models.features import FeatureInfo
from skinseg.models.keymap import Rule, numbered, rename
from skinseg.models.resnet import BasicBlock, ResNet
from skinseg.models.squeeze_excite import SqueezeExcite
from skinseg.registry import register_model

AUTHORS_NAMES: list[Rule] = [
    (r"^resnet\.", "encoder.cnn."),
    (r"^up(\d)\.conv\.", numbered("transformer_up.{}.")),
    (r"^up_c\.", "fuse.0."),
    (r"^up_c_(\d)_1\.", numbered("fuse.{}.", offset=0)),
    (r"^up_c_(\d)_2\.conv\.", numbered("join.{}.fuse.")),
    (r"^up_c_(\d)_2\.attn_block\.", numbered("join.{}.gate.")),
    (r"^final_x\.", "aux_heads.0."),
    (r"^final_1\.", "aux_heads.1."),
    (r"^final_2\.0\.", "refine."),
    (r"^final_2\.1\.conv\.", "head."),
    # The last layer of a head is a convolution alone.
    (r"^(aux_heads\.0\.2|aux_heads\.1\.1)\.conv\.", r"\1."),
    (r"\.double_conv\.0\.", ".convs.0.conv."),
    (r"\.double_conv\.1\.", ".convs.0.norm."),
    (r"\.double_conv\.3\.", ".convs.1.conv."),
    (r"\.double_conv\.4\.", ".convs.1.norm."),
    (r"\.identity\.0\.", ".shortcut.conv."),
    (r"\.identity\.1\.", ".shortcut.norm."),
    (r"\.fc1\.", ".channels.reduce."),
    (r"\.fc2\.", ".channels.expand."),
    (r"\.residual\.conv(\d)\.conv\.", r".residual.conv\1."),
    (r"\.residual\.bn(\d)\.", r".residual.norm\1."),
    (r"\.skip_layer\.conv\.", ".shortcut."),
    (r"(?<!gate)\.W_g\.", ".cnn."),
    (r"(?<!gate)\.W_x\.", ".transformer."),
    (r"\.W\.", ".product."),
    (r"\.gate\.W_g\.", ".gate.gate."),
    (r"\.gate\.W_x\.", ".gate.skip."),
    (r"\.gate\.psi\.", ".gate.attention."),
    (r"^(join\.\d\.gate\.\w+)\.0\.", r"\1.conv."),
    (r"^(join\.\d\.gate\.\w+)\.1\.", r"\1.norm."),
    (r"\.bn\.", ".norm."),
]


class DoubleConv(nn.Module):
    """Two 3x3 convolutions and a 1x1 convolution as their shortcut, each with BatchNorm; ReLU.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W).
    """

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            ConvNorm(in_chans, out_chans, 3, bias=True),
            ConvNorm(out_chans, out_chans, 3, bias=True, act=False),
        )
        self.shortcut = ConvNorm(in_chans, out_chans, 1, bias=True, act=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve ``x`` (B, C_in, H, W)."""
        summed: torch.Tensor = self.convs(x) + self.shortcut(x)
        return summed.relu()


class PreActBottleneck(nn.Module):
    """Residual 1x1, 3x3 and 1x1 convolutions, BatchNorm and ReLU *before* each.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W).
    """

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        width = out_chans // 2
        self.norm1 = nn.BatchNorm2d(in_chans)
        self.conv1 = nn.Conv2d(in_chans, width, 1)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.norm3 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_chans, 1)
        self.shortcut = nn.Conv2d(in_chans, out_chans, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve ``x`` (B, C_in, H, W)."""
        out = self.conv1(self.norm1(x).relu())
        out = self.conv2(self.norm2(out).relu())
        summed: torch.Tensor = self.conv3(self.norm3(out).relu()) + self.shortcut(x)
        return summed


class BiFusion(nn.Module):
    """BiFusion module: a map of the ResNet and one of the transformer become one.

    Source: TransFuse (arXiv 2102.08005), Section 2.

    Args:
        cnn_chans: Channels C_g of the ResNet's map, and of the result.
        transformer_chans: Channels C_t of the transformer's map.
        reduction: By how much the channel attention reduces C_t.

    Shape:
        (B, C_g, H, W), (B, C_t, H, W) -> (B, C_g, H, W).
    """

    def __init__(self, cnn_chans: int, transformer_chans: int, reduction: int) -> None:
        super().__init__()
        self.channels = SqueezeExcite(
            transformer_chans, max(transformer_chans // reduction, 1), nn.Sigmoid()
        )
        self.spatial = ConvNorm(2, 1, 7, act=nn.Sigmoid())
        self.cnn = ConvNorm(cnn_chans, cnn_chans, 1, bias=True, act=False)
        self.transformer = ConvNorm(transformer_chans, cnn_chans, 1, bias=True, act=False)
        self.product = ConvNorm(cnn_chans, cnn_chans, 3, bias=True)
        self.residual = PreActBottleneck(2 * cnn_chans + transformer_chans, cnn_chans)

    def forward(self, cnn: torch.Tensor, transformer: torch.Tensor) -> torch.Tensor:
        """Fuse the ResNet's map g and the transformer's map t."""
        attended = self.channels(transformer)
        pooled = torch.cat([cnn.amax(1, keepdim=True), cnn.mean(1, keepdim=True)], dim=1)
        weighted = cnn * self.spatial(pooled)
        product = self.product(self.cnn(cnn) * self.transformer(transformer))
        fused: torch.Tensor = self.residual(torch.cat([weighted, attended, product], dim=1))
        return fused


class Enlarge(nn.Module):
    """Bilinear upsampling by 2 with aligned corners, cut to the size of another map."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)

    def forward(self, x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Bring ``x`` (B, C, h, w) to the size of ``like`` (B, C', H, W), up to 2h and 2w."""
        enlarged: torch.Tensor = self.up(x)
        # Negative padding, as a slice would tie an exported network to sizes that need none.
        missing = [like.shape[-1] - enlarged.shape[-1], like.shape[-2] - enlarged.shape[-2]]
        return F.pad(enlarged, (0, missing[0], 0, missing[1]))


class Join(nn.Module):
    """The fused map of the next coarser scale and that of this one, which an attention gate weighs.

    Args:
        in_chans: Channels C_in of the coarser map.
        out_chans: Channels C_out of this scale's map, and of the result.
    """

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__()
        self.enlarge = Enlarge()
        self.gate = AttentionGate(in_chans, out_chans, out_chans)
        self.fuse = DoubleConv(in_chans + out_chans, out_chans)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Join (B, C_in, h, w) and (B, C_out, H, W), the latter twice as large."""
        x = self.enlarge(x, skip)
        joined: torch.Tensor = self.fuse(torch.cat([self.gate(x, skip), x], dim=1))
        return joined


class TwoBranchEncoder(nn.Module):
    """A ResNet and a transformer, both of which see the image.

    Args:
        cnn: Residual network of three stages.
        transformer: Transformer whose map has the size of its last one.

    Attributes:
        feature_info: Description of the maps.

    Shape:
        (B, in_chans, H, W) -> the ResNet's maps at H/4, H/8 and H/16 and the transformer's at H/16,
        rounded up.
    """

    def __init__(self, cnn: ResNet, transformer: DeiT) -> None:
        super().__init__()
        self.cnn = cnn
        self.transformer = transformer
        info = cnn.feature_info.select(range(1, 4))
        self.feature_info = FeatureInfo(
            [*info.channels(), transformer.dim],
            [*info.reduction(), PATCH_SIZE],
            [*(f"cnn.{name}" for name in info.module_name()), "transformer"],
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps of ``x`` (B, in_chans, H, W)."""
        return [*self.cnn(x)[1:], self.transformer(x)]


class TransFuse(SegmentationModel):
    """TransFuse: a ResNet without its last stage and a small DeiT, joined by BiFusion modules.

    Source: Zhang et al., MICCAI 2021 (arXiv 2102.08005). The auxiliary outputs are those of the
    paper's deep supervision: of the first fused map, and of the transformer's branch.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits, and of each auxiliary output.
        layers: Blocks of each of the ResNet's three stages.
        width: Width of its first stage, to which those of the decoder are proportional.
        dim: Width of the transformer's tokens.
        depth: Transformer blocks.
        num_heads: Attention heads; divides ``dim``.
        img_size: Side of the images, or height and width, that the position embeddings are for,
            multiples of 16; the authors' published weights are for (192, 256). At any other size
            the embeddings are resized bilinearly.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> net = TransFuse(width=4, dim=8, depth=1, num_heads=2, img_size=64)
        >>> logits, aux = net(torch.randn(2, 3, 45, 50), return_aux=True)
        >>> logits.shape, len(aux)
        (torch.Size([2, 1, 45, 50]), 2)
    """

    paper = Citation(
        key="zhang2021transfuse",
        title="TransFuse: Fusing Transformers and CNNs for Medical Image Segmentation",
        authors=("Yundong Zhang", "Huiye Liu", "Qiang Hu"),
        venue="Medical Image Computing and Computer-Assisted Intervention (MICCAI)",
        year=2021,
        arxiv="2102.08005",
    )

    first_conv = ("encoder.cnn.conv1", "encoder.transformer.embed")
    classifier = ("head", "aux_heads.0.2", "aux_heads.1.1")
    backbones = ("cnn", "transformer")
    num_aux = 2
    encoder: TwoBranchEncoder

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        layers: Sequence[int] = (3, 4, 6),
        width: int = 64,
        dim: int = 384,
        depth: int = 8,
        num_heads: int = 6,
        img_size: int | Sequence[int] = 256,
    ) -> None:
        size = (img_size, img_size) if isinstance(img_size, int) else tuple(img_size)
        super().__init__(
            {
                "in_chans": in_chans,
                "num_classes": num_classes,
                "layers": list(layers),
                "width": width,
                "dim": dim,
                "depth": depth,
                "num_heads": num_heads,
                "img_size": img_size if isinstance(img_size, int) else list(img_size),
            }
        )
        if len(layers) != 3:
            raise ValueError(f"layers must be the blocks of three stages, not {layers}")
        if len(size) != 2 or any(side < PATCH_SIZE or side % PATCH_SIZE for side in size):
            raise ValueError(
                f"img_size must be a multiple of {PATCH_SIZE}, or two of them, not {img_size}"
            )
        grid = (size[0] // PATCH_SIZE, size[1] // PATCH_SIZE)
        self.encoder = TwoBranchEncoder(
            ResNet(BasicBlock, layers, in_chans=in_chans, width=width),
            DeiT(in_chans, dim=dim, depth=depth, num_heads=num_heads, grid=grid),
        )
        self.feature_info = self.encoder.feature_info
        fine, middle, coarse, _ = self.feature_info.channels()
        self.enlarge = Enlarge()
        self.transformer_up = nn.ModuleList([DoubleConv(dim, middle), DoubleConv(middle, fine)])
        self.fuse = nn.ModuleList(
            [BiFusion(coarse, dim, 4), BiFusion(middle, middle, 2), BiFusion(fine, fine, 1)]
        )
        self.join = nn.ModuleList([Join(coarse, middle), Join(middle, fine)])
        self.aux_heads = nn.ModuleList(
            [
                nn.Sequential(
                    ConvNorm(coarse, fine, 1, bias=True),
                    ConvNorm(fine, fine, 3, bias=True),
                    nn.Conv2d(fine, num_classes, 3, padding=1),
                ),
                nn.Sequential(
                    ConvNorm(fine, fine, 3, bias=True),
                    nn.Conv2d(fine, num_classes, 3, padding=1),
                ),
            ]
        )
        self.refine = ConvNorm(fine, fine, 3, bias=True)
        self.head = nn.Conv2d(fine, num_classes, 3, padding=1)

    def decode(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Enlarge the transformer's map twice, and fuse it at each scale with the ResNet's."""
        fine, middle, coarse, tokens = features
        t1 = self.transformer_up[0](self.enlarge(tokens, middle))
        t2 = self.transformer_up[1](self.enlarge(t1, fine))
        # f^i of Section 2, and the joined maps with a hat there.
        f0 = self.fuse[0](coarse, tokens)
        f1 = self.join[0](f0, self.fuse[1](middle, t1))
        f2 = self.join[1](f1, self.fuse[2](fine, t2))
        return self.refine(f2), [self.aux_heads[0](f0), self.aux_heads[1](t2)]

    def convert_encoder_weights(self, state: StateDict) -> StateDict:
        """Take the weights of torchvision's ``resnet34`` or of ``deit_small_patch16_224``."""
        if "cls_token" in state:
            transformer = self.encoder.transformer.convert_published_weights(state)
            return {f"transformer.{key}": value for key, value in transformer.items()}
        cnn = self.encoder.cnn.convert_published_weights(state)
        return {f"cnn.{key}": value for key, value in cnn.items()}

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the authors' code."""
        branch = "transformer."
        inside = {k.removeprefix(branch): x for k, x in state.items() if k.startswith(branch)}
        beside = {k: x for k, x in state.items() if not k.startswith(branch)}
        renamed = rename(inside, PUBLISHED_NAMES)
        return {
            **{f"encoder.{branch}{key}": value for key, value in renamed.items()},
            **rename(beside, AUTHORS_NAMES),
        }


@register_model
def transfuse_s(**kwargs: Any) -> TransFuse:
    """TransFuse-S: a ResNet-34 and eight blocks of DeiT-S; 26,273,301 parameters."""
    return TransFuse(**kwargs)
