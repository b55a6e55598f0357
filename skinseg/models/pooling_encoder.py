from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional as F


class PoolingEncoder(nn.Module):
    """Stages with 2x2 max-pooling between; returns each stage's map and the pooled last.

    Args:
        stages: One per level, each of which keeps height and width.

    Shape:
        (B, C, H, W) -> maps at H, H/2, H/4, ..., one more than there are stages.
    """

    def __init__(self, stages: Iterable[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        # A name for the last map, which no stage makes, so that hooks find it. A pooling module
        # would be counted by ptflops, which counts no functional pooling.
        self.deepest = nn.Identity()

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the feature maps of ``x``, finest first."""
        maps = []
        for stage in self.stages:
            maps.append(stage(x))
            x = F.max_pool2d(maps[-1], 2)
        return [*maps, self.deepest(x)]
