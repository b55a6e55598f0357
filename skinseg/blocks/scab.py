from collections.abc import Sequence
from typing import overload

import torch
from torch import nn

from skinseg.blocks.cab import ChannelAttentionBridge
from skinseg.blocks.feature_maps import FeatureMaps, as_list, like
from skinseg.blocks.sab import SpatialAttentionBridge


class ChannelSpatialAttentionBridge(nn.Module):
    """Channel and Spatial Attention Bridge (SCAB): SAB and CAB one after the other.

    With the spatial bridge first: ``s = x * gate(x)``, ``u = s + x``, ``v = u * weights(u)``,
    ``y = v + s``. The last residual is the attended map ``s``, not ``u``.

    Source: MALUNet (BIBM 2022, arXiv 2211.01784), Section III and Table V, which tries both
    orders.

    Args:
        in_chans: Channels of each map, in the order in which they are passed; an int for one map.
        order: ``"sab-cab"`` (MALUNet) or ``"cab-sab"``.
        heads: ``"linear"`` or ``"conv"``; see :class:`ChannelAttentionBridge`.

    Raises:
        ValueError: If ``order`` or ``heads`` is none of these, or ``forward`` gets another number
            of maps.

    Shape:
        A map (B, C, H, W), or a sequence of maps (B, C_i, H_i, W_i), floating point, of any sizes.
        The result is a map or a list of maps accordingly, each of its input's shape.

    Example:
        >>> bridge = ChannelSpatialAttentionBridge([8, 16], order="cab-sab")
        >>> maps = [torch.randn(1, 8, 16, 16), torch.randn(1, 16, 8, 8)]
        >>> [tuple(y.shape) for y in bridge(maps)]
        [(1, 8, 16, 16), (1, 16, 8, 8)]
    """

    def __init__(
        self,
        in_chans: int | Sequence[int],
        *,
        order: str = "sab-cab",
        heads: str = "linear",
    ) -> None:
        super().__init__()
        if order not in ("sab-cab", "cab-sab"):
            raise ValueError(f'order must be "sab-cab" or "cab-sab", not {order!r}')
        self.order = order
        self.sab = SpatialAttentionBridge(in_chans)
        self.cab = ChannelAttentionBridge(in_chans, heads=heads)

    @overload
    def forward(self, maps: torch.Tensor) -> torch.Tensor: ...

    @overload
    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]: ...

    def forward(self, maps: FeatureMaps) -> torch.Tensor | list[torch.Tensor]:
        """Attend to positions and channels of one or several maps (B, C_i, H_i, W_i)."""
        first: SpatialAttentionBridge | ChannelAttentionBridge
        first, second = (self.sab, self.cab) if self.order == "sab-cab" else (self.cab, self.sab)
        stages = as_list(maps)
        attended = first.attend(stages)  # Section III: s
        again = second.attend([x + a for x, a in zip(stages, attended, strict=True)])  # v, of u
        return like(maps, [a + b for a, b in zip(attended, again, strict=True)])  # y
