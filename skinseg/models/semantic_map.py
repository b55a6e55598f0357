"""Small maps that summarize features of any size, as in UTNetV2, and attention between them."""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import nn

FUSION_HEADS = 16  # Of the transformer over the maps.


class SemanticMapGeneration(nn.Module):
    """A small map whose elements are averages of the features, each with weights of its own.

    Args:
        channels: Channels C of the features and of the map.
        map_size: Side S of the map.

    Shape:
        (B, C, H, W) -> (B, C, S, S).
    """

    def __init__(self, channels: int, map_size: int) -> None:
        super().__init__()
        self.map_size = map_size
        self.value = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.score = nn.Conv2d(channels, map_size**2, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Summarize ``x`` (B, C, H, W)."""
        weights = self.score(x).flatten(2).softmax(-1)
        summary = self.value(x).flatten(2) @ weights.mT
        semantic: torch.Tensor = rearrange(summary, "b c (h w) -> b c h w", h=self.map_size)
        return semantic


class FusionLayer(nn.Module):
    """Self-attention and two linear layers with GELU between, LayerNorm before each.

    As in the authors' code, the heads are the outer factor of the channels of queries, keys and
    values, and the inner one of the result's.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.query_key_value = nn.Linear(dim, 3 * dim, bias=False)
        self.project = nn.Linear(dim, dim)
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform the tokens ``x`` (B, T, dim)."""
        query, key, value = rearrange(
            self.query_key_value(self.attention_norm(x)),
            "b t (part head d) -> part b head t d",
            part=3,
            head=FUSION_HEADS,
        )
        # Written out, so that its products are counted on every device.
        attended = (query @ key.mT * key.shape[-1] ** -0.5).softmax(-1) @ value
        x = x + self.project(rearrange(attended, "b head t d -> b t (d head)"))
        out: torch.Tensor = x + self.mlp(x)
        return out


class SemanticMapFusion(nn.Module):
    """A transformer over the elements of the semantic maps of all scales together.

    Args:
        channels: Channels of each map.
        dim: Width of the transformer.
        depth: Number of its layers.

    Shape:
        As many maps (B, C_i, S, S) as there are widths -> the same shapes.
    """

    def __init__(self, channels: Sequence[int], dim: int, depth: int) -> None:
        super().__init__()
        self.widen = nn.ModuleList(nn.Conv2d(width, dim, 1, bias=False) for width in channels)
        self.layers = nn.Sequential(*(FusionLayer(dim) for _ in range(depth)))
        self.narrow = nn.ModuleList(nn.Conv2d(dim, width, 1, bias=False) for width in channels)

    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Let the elements of ``maps`` attend to each other."""
        wide = torch.stack([widen(x) for widen, x in zip(self.widen, maps, strict=True)])
        count, size = len(maps), wide.shape[-1]
        tokens = self.layers(rearrange(wide, "n b c h w -> b (n h w) c"))
        fused = rearrange(tokens, "b (n h w) c -> n b c h w", n=count, h=size)
        return [narrow(x) for narrow, x in zip(self.narrow, fused, strict=True)]
