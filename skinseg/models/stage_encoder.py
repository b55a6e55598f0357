from collections.abc import Iterable

import torch
from torch import nn


class StageEncoder(nn.Module):
    """Stages one after the other; returns each stage's map.

    Args:
        stages: The modules, each of which takes the map of the one before.

    Shape:
        (B, C, H, W) -> as many maps as there are stages, of the sizes that they give.

    Example:
        >>> encoder = StageEncoder([nn.Conv2d(3, 8, 1), nn.MaxPool2d(2)])
        >>> [tuple(x.shape) for x in encoder(torch.randn(1, 3, 4, 6))]
        [(1, 8, 4, 6), (1, 8, 2, 3)]
    """

    def __init__(self, stages: Iterable[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the feature maps of ``x``, finest first."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps
