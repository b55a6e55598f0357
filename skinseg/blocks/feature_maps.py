"""What the bridges accept: one feature map, or one from each stage."""

from collections.abc import Sequence

import torch

from skinseg.arguments import require_whole

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


def map_channels(in_chans: int | Sequence[int]) -> list[int]:
    """Return the channels of each map, for one number or a sequence.

    Args:
        in_chans: Channels of the map, or of each map.

    Raises:
        TypeError: If one is no whole number.
        ValueError: If one is less than 1, or there is none.
    """
    widths = list(in_chans) if isinstance(in_chans, Sequence) else [in_chans]
    if not widths:
        raise ValueError("in_chans must name at least one feature map, not []")
    return [require_whole("in_chans", width) for width in widths]
