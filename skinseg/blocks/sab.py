from collections.abc import Sequence
from typing import overload

import torch
from torch import nn

from skinseg.blocks.feature_maps import FeatureMaps, as_list, like, map_channels
from skinseg.blocks.spatial_gate import SpatialGate


class SpatialAttentionBridge(nn.Module):
    """Spatial Attention Bridge (SAB): one spatial gate for the feature maps of all stages.

    ``y_i = x_i + x_i * gate(x_i)``, where the gate is a single 7x7 convolution of dilation 3 on the
    channels' mean and maximum. All stages use the same gate.

    Source: MALUNet (BIBM 2022, arXiv 2211.01784), Section III.

    Args:
        in_chans: Channels of the map, or of each map. The gate does not depend on it; the argument
            is there so that every block is created in the same way.
        kernel_size: Odd size of the gate's convolution.
        dilation: Its dilation.

    Raises:
        ValueError: If ``kernel_size`` is even, or ``kernel_size`` or ``dilation`` below 1.

    Shape:
        A map (B, C, H, W), or a sequence of maps (B, C_i, H_i, W_i), floating point, of any sizes.
        The result is a map or a list of maps accordingly, each of its input's shape.

    Example:
        >>> maps = [torch.randn(1, 8, 16, 16), torch.randn(1, 16, 8, 8)]
        >>> [tuple(y.shape) for y in SpatialAttentionBridge([8, 16])(maps)]
        [(1, 8, 16, 16), (1, 16, 8, 8)]
    """

    def __init__(
        self, in_chans: int | Sequence[int], *, kernel_size: int = 7, dilation: int = 3
    ) -> None:
        super().__init__()
        map_channels(in_chans)
        self.gate = SpatialGate(kernel_size, dilation)

    def attend(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return ``x_i * gate(x_i)``, without the residual.

        Args:
            maps: One map (B, C_i, H_i, W_i) per stage.

        Returns:
            As many maps of the same shapes.
        """
        return [x * self.gate(x) for x in maps]  # Section III: one gate for all stages

    @overload
    def forward(self, maps: torch.Tensor) -> torch.Tensor: ...

    @overload
    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]: ...

    def forward(self, maps: FeatureMaps) -> torch.Tensor | list[torch.Tensor]:
        """Attend to the positions of one or several maps (B, C_i, H_i, W_i)."""
        stages = as_list(maps)
        attended = self.attend(stages)
        return like(maps, [x + a for x, a in zip(stages, attended, strict=True)])  # Section III
