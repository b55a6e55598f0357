"""What the bridges accept: one feature map, or one of each stage."""

from collections.abc import Sequence

import torch

FeatureMaps = torch.Tensor | Sequence[torch.Tensor]


def as_list(maps: FeatureMaps) -> list[torch.Tensor]:
    """Return the maps as a list; a single tensor (B, C, H, W) counts as one stage."""
    return [maps] if isinstance(maps, torch.Tensor) else list(maps)


def like(maps: FeatureMaps, results: list[torch.Tensor]) -> torch.Tensor | list[torch.Tensor]:
    """Return one tensor where ``maps`` is a tensor, the list otherwise."""
    return results[0] if isinstance(maps, torch.Tensor) else results
