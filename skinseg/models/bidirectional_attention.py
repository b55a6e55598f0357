"""Attention between a feature map and a small semantic map, as in UTNetV2."""

import torch
from einops import rearrange
from torch import nn

from skinseg.models.squeeze_excite import SqueezeExcite


class SeparableConv(nn.Sequential):
    """3x3 depthwise, then 1x1 convolution, without bias; (B, C_in, H, W) -> (B, C_out, H, W)."""

    def __init__(self, in_chans: int, out_chans: int) -> None:
        super().__init__(
            nn.Conv2d(in_chans, in_chans, 3, padding=1, groups=in_chans, bias=False),
            nn.Conv2d(in_chans, out_chans, 1, bias=False),
        )


class NormActConv(nn.Sequential):
    """BatchNorm, GELU unless ``act=False``, convolution without bias; keeps H and W."""

    def __init__(
        self, in_chans: int, out_chans: int, kernel_size: int, *, groups: int = 1, act: bool = True
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_chans)
        self.act = nn.GELU() if act else nn.Identity()
        self.conv = nn.Conv2d(
            in_chans, out_chans, kernel_size, padding=kernel_size // 2, groups=groups, bias=False
        )


class MBConv(nn.Module):
    """Inverted residual with squeeze-and-excitation, its norms before its convolutions.

    Args:
        channels: Channels C.
        expansion: Factor of the channels between.

    Shape:
        (B, C, H, W) -> (B, C, H, W), floating point.
    """

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        expanded = channels * expansion
        self.expand = nn.Identity() if expansion == 1 else NormActConv(channels, expanded, 1)
        self.depthwise = NormActConv(expanded, expanded, 3, groups=expanded)
        self.attention = SqueezeExcite(expanded, expanded // 4, nn.Sigmoid())
        self.project = NormActConv(expanded, channels, 1, act=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve ``x`` (B, C, H, W)."""
        out: torch.Tensor = x + self.project(self.attention(self.depthwise(self.expand(x))))
        return out


class BidirectionalAttention(nn.Module):
    """Multi-head attention in both directions at once, with one product of queries.

    The feature map's queries meet the semantic map's. With the softmax over the semantic map, each
    position of the features gathers values of the map; with the softmax over the positions, each
    element of the map gathers values of the features. So the cost is linear in the positions.

    Source: Gao et al. (arXiv 2203.00131), bidirectional multi-head attention. As in the authors'
    code, the heads are the innermost factor of the channels.

    Args:
        channels: Channels of both maps.
        num_heads: Attention heads; divides ``channels``.

    Shape:
        Features (B, C, H, W) and semantic map (B, C, S, S) -> the same two shapes.

    Example:
        >>> features, semantic = torch.randn(2, 8, 5, 6), torch.randn(2, 8, 2, 2)
        >>> [tuple(x.shape) for x in BidirectionalAttention(8, 2)(features, semantic)]
        [(2, 8, 5, 6), (2, 8, 2, 2)]
    """

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (channels // num_heads) ** -0.5
        self.feature_query_value = SeparableConv(channels, 2 * channels)
        self.feature_project = SeparableConv(channels, channels)
        self.map_query_value = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.map_project = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(
        self, features: torch.Tensor, semantic: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Attend to ``semantic`` (B, C, S, S) from ``features`` (B, C, H, W), and the reverse."""
        feature_query, feature_value = self._heads(self.feature_query_value(features))
        map_query, map_value = self._heads(self.map_query_value(semantic))
        scores = feature_query @ map_query.mT * self.scale
        to_features = scores.softmax(-1) @ map_value
        to_map = scores.softmax(-2).mT @ feature_value
        return (
            self.feature_project(self._as_map(to_features, features)),
            self.map_project(self._as_map(to_map, semantic)),
        )

    def _heads(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        query, value = rearrange(
            x, "b (part d head) h w -> part b head (h w) d", part=2, head=self.num_heads
        )
        return query, value

    def _as_map(self, tokens: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        height, width = like.shape[-2:]
        return rearrange(tokens, "b head (h w) d -> b (d head) h w", h=height, w=width)


class BidirectionalBlock(nn.Module):
    """Bidirectional attention with a residual on each side, then an inverted residual.

    Args:
        channels: Channels of both maps.
        num_heads: Attention heads; divides ``channels``.
        expansion: Factor of the channels within the inverted residual.

    Shape:
        Features (B, C, H, W) and semantic map (B, C, S, S) -> the same two shapes.
    """

    def __init__(self, channels: int, num_heads: int, expansion: int) -> None:
        super().__init__()
        self.feature_norm = nn.BatchNorm2d(channels)
        self.map_norm = nn.BatchNorm2d(channels)
        self.attention = BidirectionalAttention(channels, num_heads)
        self.mlp = MBConv(channels, expansion)

    def forward(
        self, features: torch.Tensor, semantic: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Transform ``features`` (B, C, H, W) and ``semantic`` (B, C, S, S)."""
        attended, gathered = self.attention(self.feature_norm(features), self.map_norm(semantic))
        return self.mlp(features + attended), semantic + gathered
