"""DeiT, the transformer of TransFuse: a vision transformer on patches of the image."""

import math
from collections.abc import Sequence

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F

from skinseg.checkpoint import StateDict
from skinseg.models.base import init_conv
from skinseg.models.keymap import Rule, rename

PATCH_SIZE = 16
NORM_EPS = 1e-6

PUBLISHED_NAMES: list[Rule] = [
    (r"^cls_token$", "class_token"),
    (r"^pos_embed$", "position"),
    (r"^patch_embed\.proj\.", "embed."),
    (r"\.norm1\.", ".attention_norm."),
    (r"\.attn\.qkv\.", ".attention.qkv."),
    (r"\.attn\.proj\.", ".attention.project."),
    (r"\.norm2\.", ".mlp_norm."),
    (r"\.mlp\.fc1\.", ".mlp.0."),
    (r"\.mlp\.fc2\.", ".mlp.2."),
]


def resize_positions(
    position: torch.Tensor, grid: Sequence[int], size: Sequence[int]
) -> torch.Tensor:
    """Bring the position embeddings of one map to another one's size.

    Args:
        position: Embeddings (1, T, dim) of the positions, row by row.
        grid: Height and width of the map that they are of; their product is T.
        size: Height h and width w of the other map.

    Returns:
        The embeddings (1, dim, h, w); at the same size the very same numbers.
    """
    of_grid = rearrange(position, "1 (h w) c -> 1 c h w", h=grid[0])
    # Without a branch on the size, which would tie an exported network to it.
    return F.interpolate(of_grid, tuple(size), mode="bilinear", align_corners=True)


class SelfAttention(nn.Module):
    """Multi-head self-attention.

    Args:
        dim: Width of the tokens.
        num_heads: Attention heads; divides ``dim``.

    Shape:
        (B, T, dim) -> (B, T, dim), floating point, any number T of tokens.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (dim // num_heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.project = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Attend among the tokens of ``x`` (B, T, dim)."""
        query, key, value = rearrange(
            self.qkv(x), "b t (part head d) -> part b head t d", part=3, head=self.num_heads
        )
        # Two plain products, since counters of multiply-accumulates do not see the fused one.
        weights = (query * self.scale @ key.mT).softmax(-1)
        attended = rearrange(weights @ value, "b head t d -> b t (head d)")
        projected: torch.Tensor = self.project(attended)
        return projected


class TransformerBlock(nn.Module):
    """Self-attention, then two linear layers with GELU between; LayerNorm before each.

    Args:
        dim: Width of the tokens; the two linear layers are four times as wide between them.
        num_heads: Attention heads; divides ``dim``.

    Shape:
        (B, T, dim) -> (B, T, dim), floating point, any number T of tokens.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attention = SelfAttention(dim, num_heads)
        self.mlp_norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform the tokens ``x`` (B, T, dim)."""
        x = x + self.attention(self.attention_norm(x))
        out: torch.Tensor = x + self.mlp(self.mlp_norm(x))
        return out


class DeiT(nn.Module):
    """Vision transformer over 16x16 patches of the image, in its authors' proportions.

    It differs from :class:`~skinseg.models.vision_transformer.VisionTransformer` in that it sees
    the image, normalizes before attention and not after it, and has the usual attention.

    Source: Touvron et al., ICML 2021 (arXiv 2012.12877); as TransFuse (arXiv 2102.08005) uses it,
    without the class token. Its public code keeps that token among the weights, and so does this:
    as a parameter that nothing reads and that does not learn.

    Args:
        in_chans: Channels of the input.
        dim: Width of the tokens.
        depth: Number of transformer blocks.
        num_heads: Attention heads; divides ``dim``.
        grid: Height and width of the map that the position embeddings are for. For maps of another
            size they are resized bilinearly (corners aligned).

    Raises:
        ValueError: If ``num_heads`` does not divide ``dim``.

    Shape:
        (B, in_chans, H, W) -> (B, dim, ceil(H / 16), ceil(W / 16)), floating point. Where 16 does
        not divide a side, the last row or column is repeated.

    Example:
        >>> DeiT(dim=16, depth=1, num_heads=2, grid=(4, 4))(torch.randn(2, 3, 50, 64)).shape
        torch.Size([2, 16, 4, 4])
    """

    def __init__(
        self,
        in_chans: int = 3,
        *,
        dim: int = 384,
        depth: int = 8,
        num_heads: int = 6,
        grid: tuple[int, int] = (16, 16),
    ) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"num_heads must divide the width {dim}, which {num_heads} does not")
        self.dim, self.grid = dim, grid
        self.embed = nn.Conv2d(in_chans, dim, PATCH_SIZE, stride=PATCH_SIZE)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim), requires_grad=False)
        self.position = nn.Parameter(torch.zeros(1, grid[0] * grid[1], dim))
        self.blocks = nn.Sequential(*(TransformerBlock(dim, num_heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.apply(init_conv)
        nn.init.trunc_normal_(self.position, std=0.02)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform the patches of ``x`` (B, in_chans, H, W)."""
        missing = [-x.shape[-1] % PATCH_SIZE, -x.shape[-2] % PATCH_SIZE]
        x = self.embed(F.pad(x, (0, missing[0], 0, missing[1]), mode="replicate"))
        height, width = x.shape[-2:]
        x = x + resize_positions(self.position, self.grid, (height, width))
        tokens: torch.Tensor = self.norm(self.blocks(rearrange(x, "b c h w -> b (h w) c")))
        return rearrange(tokens, "b (h w) c -> b c h w", h=height, w=width)

    def convert_published_weights(self, state: StateDict) -> StateDict:
        """Rename the weights of DeiT's authors' ``deit_small_patch16_224``, also timm's.

        Of its blocks the first are taken, as many as there are here; the position embeddings are
        resized, as in TransFuse; the classifier is left out.
        """
        later = tuple(f"blocks.{number}." for number in range(len(self.blocks), 24))
        kept = {key: x for key, x in state.items() if not key.startswith(("head.", *later))}
        converted = rename(kept, PUBLISHED_NAMES)
        if "position" in converted:
            # The first one is the class token's.
            of_patches = converted["position"][:, 1:]
            side = math.isqrt(of_patches.shape[1])
            resized = resize_positions(of_patches, (side, side), self.grid)
            converted["position"] = rearrange(resized, "1 c h w -> 1 (h w) c")
        return converted
