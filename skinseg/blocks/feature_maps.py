"""What the bridges accept: one feature map, or one from each stage."""

from collections.abc import Sequence

import torch

FeatureMaps = torch.Tensor | Sequence[torch.Tensor]


def as_list(maps: FeatureMaps) -> list[torch.Tensor]:
    """Return the maps as a list.

    Args:
        maps: One map (B, C, H, W), which counts as one stage, or a sequence of maps.

    Returns:
        A list of maps (B, C_i, H_i, W_i), one per stage.
    """
    return [maps] if isinstance(maps, torch.Tensor) else list(maps)


def like(maps: FeatureMaps, results: list[torch.Tensor]) -> torch.Tensor | list[torch.Tensor]:
    """Return results in the form in which the maps were passed.

    Args:
        maps: What the caller passed to the bridge.
        results: One result (B, C_i, H_i, W_i) per stage.

    Returns:
        The only result if ``maps`` is a tensor, else the list.
    """
    return results[0] if isinstance(maps, torch.Tensor) else results
