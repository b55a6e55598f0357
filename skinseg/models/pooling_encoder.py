from collections.abc import Iterable

import torch
from torch import nn


class PoolingEncoder(nn.Module):
    """Stages with 2x2 max-pooling between; returns each stage's map and the pooled last.

    Args:
        stages: One a level, each of which keeps height and width.

    Shape:
        (B, C, H, W) -> maps at H, H/2, H/4, ..., one more than there are stages.
    """

    def __init__(self, stages: Iterable[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the feature maps of ``x``, finest first."""
        maps = []
        for stage in self.stages:
            maps.append(stage(x))
            x = self.pool(maps[-1])
        return [*maps, x]
