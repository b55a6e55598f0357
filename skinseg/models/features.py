"""Feature pyramids: what a network's encoder offers to other networks, in timm's terms."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

import torch
from torch import nn


class FeatureEntry(TypedDict):
    """What is known of one feature map: channels, reduction, and the module that it comes from."""

    num_chs: int
    reduction: int
    module: str


class FeatureInfo:
    """Channels, reduction and place of each feature map, coarser and coarser.

    Args:
        channels: Channels of each map.
        reductions: Factor by which each map is smaller than the input.
        modules: Name of the module that each map comes from.

    Example:
        >>> info = FeatureInfo([8, 16], [2, 4], ["stages.0", "stages.1"])
        >>> info.channels(), info.reduction()
        ([8, 16], [2, 4])
    """

    def __init__(
        self, channels: Sequence[int], reductions: Sequence[int], modules: Sequence[str]
    ) -> None:
        self._info: list[FeatureEntry] = [
            {"num_chs": chs, "reduction": reduction, "module": module}
            for chs, reduction, module in zip(channels, reductions, modules, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._info)

    def __getitem__(self, index: int) -> FeatureEntry:
        return self._info[index]

    def get_dicts(self) -> list[FeatureEntry]:
        """Return one ``{"num_chs", "reduction", "module"}`` per map."""
        return [entry.copy() for entry in self._info]

    def channels(self) -> list[int]:
        """Return the channels of each map."""
        return [entry["num_chs"] for entry in self._info]

    def reduction(self) -> list[int]:
        """Return the factor by which each map is smaller than the input."""
        return [entry["reduction"] for entry in self._info]

    def module_name(self) -> list[str]:
        """Return the module that each map comes from."""
        return [entry["module"] for entry in self._info]

    def select(self, indices: Sequence[int]) -> "FeatureInfo":
        """Return the entries at ``indices``."""
        chosen = [self._info[index] for index in indices]
        return FeatureInfo(
            [entry["num_chs"] for entry in chosen],
            [entry["reduction"] for entry in chosen],
            [entry["module"] for entry in chosen],
        )


class FeaturePyramid(nn.Module):
    """A network's encoder alone: ``forward(x)`` returns the chosen feature maps as a list.

    Args:
        encoder: Module that maps (B, C, H, W) to its list of feature maps.
        feature_info: Its maps' description.
        out_indices: Which maps to return, negative ones counted from the deepest; or one number,
            for so many of the deepest maps, as in timm. All by default.

    Raises:
        ValueError: If an index names no map, or there are fewer maps than asked for.
        TypeError: If ``out_indices`` is neither a number nor indices.

    Example:
        >>> import skinseg
        >>> encoder = skinseg.create_model("malunet", features_only=True, out_indices=2)
        >>> encoder.out_indices, encoder.feature_info.reduction()
        ((4, 5), [32, 32])
    """

    def __init__(
        self,
        encoder: nn.Module,
        feature_info: FeatureInfo,
        out_indices: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.out_indices = _indices(out_indices, len(feature_info))
        self.encoder = encoder
        self.feature_info = feature_info.select(self.out_indices)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the chosen feature maps of ``x`` (B, C, H, W), finest first."""
        maps = self.encoder(x)
        return [maps[index] for index in self.out_indices]

    if TYPE_CHECKING:
        # nn.Module says that a call returns anything; it returns what forward does.
        __call__ = forward


def _indices(out_indices: int | Sequence[int] | None, count: int) -> tuple[int, ...]:
    """Which of ``count`` maps are meant, counted from the finest."""
    if out_indices is None:
        return tuple(range(count))
    if isinstance(out_indices, bool | str):
        raise TypeError(f"out_indices must be a number or several, not {out_indices!r}")
    if isinstance(out_indices, int):
        if not 1 <= out_indices <= count:
            raise ValueError(
                f"out_indices={out_indices} asks for so many of the deepest maps, and the encoder "
                f"has {count}: use 1 to {count}, or ({out_indices},) for the map of that index"
            )
        return tuple(range(count - out_indices, count))
    for index in out_indices:
        if not -count <= index < count:
            raise ValueError(
                f"out_indices names map {index}, but the encoder has {count} maps: use 0 to "
                f"{count - 1}"
            )
    return tuple(index % count for index in out_indices)
