"""A vision transformer on a feature map: each position is a token."""

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F


class SelfAttention(nn.Module):
    """Multi-head self-attention as the authors of the comparison's TransUNet coded it.

    It differs from the usual one in two ways that their weights depend on: the products of queries
    and keys are *multiplied* by the square root of a head's width, where others divide by it, and
    the heads are the innermost factor of the projection's channels.

    Args:
        dim: Width of the tokens.
        num_heads: Attention heads; divides ``dim``.

    Raises:
        ValueError: If ``num_heads`` does not divide ``dim``.

    Shape:
        (B, T, dim) -> (B, T, dim), floating point, any number T of tokens.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"num_heads must divide the width {dim}, which {num_heads} does not")
        self.num_heads = num_heads
        self.scale = (dim // num_heads) ** 0.5
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.project = nn.Linear(dim, dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Attend among the tokens of ``x`` (B, T, dim)."""
        query, key, value = rearrange(
            self.qkv(x), "b t (d part head) -> part b head t d", part=3, head=self.num_heads
        )
        # Scaled after the product, as the authors do: PyTorch's own attention scales before, and
        # attention this sharp makes a difference of rounding large.
        weights = (query @ key.mT * self.scale).softmax(-1)
        attended = rearrange(weights @ value, "b head t d -> b t (head d)")
        projected: torch.Tensor = self.project(attended)
        return projected


class TransformerBlock(nn.Module):
    """Self-attention, then two linear layers with GELU between; LayerNorm *after* each residual.

    Args:
        dim: Width of the tokens.
        num_heads: Attention heads; divides ``dim``.
        mlp_dim: Width between the two linear layers.
        dropout: Probability of dropping a value in training.

    Shape:
        (B, T, dim) -> (B, T, dim), floating point, any number T of tokens.
    """

    def __init__(self, dim: int, num_heads: int, mlp_dim: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(dim, num_heads)
        self.attention_norm = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(
            nn.Linear(dim, mlp_dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(mlp_dim, dim),
            nn.Dropout(dropout),
        )
        self.mlp_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform the tokens ``x`` (B, T, dim)."""
        x = self.attention_norm(x + self.dropout(self.attention(x)))
        out: torch.Tensor = self.mlp_norm(x + self.mlp(x))
        return out


class VisionTransformer(nn.Module):
    """Transformer encoder over the positions of a feature map and one class token.

    The position embeddings belong to a ``grid`` x ``grid`` map. For maps of another size they are
    resized bilinearly (corners not aligned); for that size they are exact. The class token takes
    part in the attention and is then dropped.

    Source: Dosovitskiy et al., ICLR 2021 (arXiv 2010.11929), as in TransUNet (arXiv 2102.04306).

    Args:
        dim: Channels of the map and width of the tokens.
        grid: Side of the map that the position embeddings are for.
        depth: Number of transformer blocks.
        num_heads: Attention heads; divides ``dim``.
        mlp_dim: Width between a block's two linear layers.
        dropout: Probability of dropping a value in training.

    Raises:
        ValueError: If ``num_heads`` does not divide ``dim``.

    Shape:
        (B, dim, h, w) -> (B, dim, h, w), floating point, any h and w.

    Example:
        >>> VisionTransformer(16, 4, 2, 2, 8)(torch.randn(2, 16, 3, 5)).shape
        torch.Size([2, 16, 3, 5])
    """

    def __init__(
        self,
        dim: int,
        grid: int,
        depth: int,
        num_heads: int,
        mlp_dim: int,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.project = nn.Linear(dim, dim)
        self.class_token = nn.Parameter(torch.randn(1, 1, dim))
        # One for the class token, then one for each position, row by row.
        self.position = nn.Parameter(torch.rand(1 + grid**2, dim))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(
            *(TransformerBlock(dim, num_heads, mlp_dim, dropout) for _ in range(depth))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform the map ``x`` (B, dim, h, w)."""
        height, width = x.shape[-2:]
        tokens: torch.Tensor = self.project(rearrange(x, "b c h w -> b (h w) c"))
        # Added in the place of zeros, and so as often as there are images, whatever traces this.
        of_class = F.pad(self.class_token, (0, 0, 0, tokens.shape[1]))
        tokens = F.pad(tokens, (0, 0, 1, 0)) + of_class
        tokens = self.blocks(self.dropout(tokens + self.positions(height, width)))
        x = rearrange(tokens, "b t c -> b c t")[:, :, 1:]
        return rearrange(x, "b c (h w) -> b c h w", h=height, w=width)

    def positions(self, height: int, width: int) -> torch.Tensor:
        """Return the position embeddings for a map of that size.

        Args:
            height: Height of the map.
            width: Width of the map.

        Returns:
            One embedding for the class token and one per position, (1 + height * width, dim).
        """
        # Without a branch on the size, which would tie an exported network to it.
        of_class, of_grid = self.position[:1], self.position[1:]
        of_grid = rearrange(of_grid, "(h w) c -> 1 c h w", h=self.grid)
        resized = F.interpolate(of_grid, (height, width), mode="bilinear", align_corners=False)
        return torch.cat([of_class, rearrange(resized, "1 c h w -> (h w) c")])
