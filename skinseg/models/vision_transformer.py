"""A vision transformer on a feature map, every position a token."""

import torch
from torch import nn
from torch.nn import functional as F


class SelfAttention(nn.Module):
    """Multi-head self-attention as the authors of the comparison's TransUNet coded it.

    Differs from the usual one in two ways that their weights depend on: the products of queries
    and keys are *multiplied* by the square root of a head's width, where others divide by it, and
    the heads are the innermost factor of the projection's channels.

    Shape:
        (B, T, dim) -> (B, T, dim).
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
        qkv = self.qkv(x).unflatten(2, (-1, 3, self.num_heads))
        query, key, value = qkv.permute(3, 0, 4, 1, 2)  # each (B, heads, T, dim / heads)
        # Scaled after the product, as the authors do: PyTorch's own attention scales before, and
        # attention this sharp makes a difference of rounding large.
        weights = (query @ key.transpose(2, 3) * self.scale).softmax(-1)
        return self.project((weights @ value).transpose(1, 2).flatten(2))


class TransformerBlock(nn.Module):
    """Self-attention, then two linear layers with GELU between; LayerNorm *after* each residual.

    Shape:
        (B, T, dim) -> (B, T, dim).
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
        return self.mlp_norm(x + self.mlp(x))


class VisionTransformer(nn.Module):
    """Transformer encoder over the positions of a feature map and one class token.

    The position embeddings belong to a ``grid`` x ``grid`` map. For maps of another size they are
    resized bilinearly (corners not aligned); for that size they are exact. The class token takes
    part in the attention and is then dropped.

    Source: Dosovitskiy et al., ICLR 2021 (arXiv 2010.11929), as in TransUNet (arXiv 2102.04306).

    Args:
        dim: Channels, and width of the tokens.
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
        tokens = self.project(x.flatten(2).transpose(1, 2))
        tokens = torch.cat([self.class_token.expand(x.shape[0], -1, -1), tokens], dim=1)
        tokens = self.blocks(self.dropout(tokens + self.positions(height, width)))
        return tokens[:, 1:].transpose(1, 2).unflatten(2, (height, width))

    def positions(self, height: int, width: int) -> torch.Tensor:
        """Position embeddings (1 + height * width, dim) for a map of that size."""
        # Without a branch on the size, which would tie an exported network to it.
        of_class, of_grid = self.position[:1], self.position[1:]
        of_grid = of_grid.T.unflatten(1, (self.grid, self.grid))[None]
        resized = F.interpolate(of_grid, (height, width), mode="bilinear", align_corners=False)
        return torch.cat([of_class, resized[0].flatten(1).T])
