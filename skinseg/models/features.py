"""Feature pyramids: what a network's encoder offers to other networks, in timm's terms."""

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

import torch
from torch import nn

from skinseg.models.grad_checkpointing import checkpointed
from skinseg.models.input_check import check_images
from skinseg.pretrained import PretrainedCfg

Key = Literal["num_chs", "reduction", "module"]


class FeatureEntry(TypedDict):
    """What is known of one feature map: channels, reduction, and the module that it comes from."""

    num_chs: int
    reduction: int
    module: str


class FeatureInfo:
    """Channels, reduction and place of each feature map, coarser and coarser.

    The methods tell of the maps that are returned, those of ``out_indices``; with an index, or
    several, of the encoder's maps of that index, returned or not. So do ``info[index]``, and
    ``len(info)``, the number of all maps.

    Args:
        channels: Channels of each map.
        reductions: Factor by which each map is smaller than the input.
        modules: Name of the module that each map comes from.
        out_indices: Which maps are returned; all by default.

    Attributes:
        out_indices: As given.

    Example:
        >>> info = FeatureInfo([8, 16, 32], [2, 4, 8], ["a", "b", "c"], out_indices=(0, 2))
        >>> info.channels(), info.reduction(1), info.module_name([0, 1])
        ([8, 32], 4, ['a', 'b'])
    """

    def __init__(
        self,
        channels: Sequence[int],
        reductions: Sequence[int],
        modules: Sequence[str],
        out_indices: Sequence[int] | None = None,
    ) -> None:
        self._info: list[FeatureEntry] = [
            {"num_chs": chs, "reduction": reduction, "module": module}
            for chs, reduction, module in zip(channels, reductions, modules, strict=True)
        ]
        everything = range(len(self._info))
        self.out_indices = tuple(everything if out_indices is None else out_indices)

    def __len__(self) -> int:
        return len(self._info)

    def __getitem__(self, index: int) -> FeatureEntry:
        return self._info[index]

    def get_dicts(self) -> list[FeatureEntry]:
        """Return one ``{"num_chs", "reduction", "module"}`` per map that is returned."""
        return [self._info[index].copy() for index in self.out_indices]

    @overload
    def channels(self, idx: int) -> int: ...
    @overload
    def channels(self, idx: Sequence[int] | None = None) -> list[int]: ...
    def channels(self, idx: int | Sequence[int] | None = None) -> Any:
        """Return the channels of each map, or of the map or maps at ``idx``."""
        return self._values("num_chs", idx)

    @overload
    def reduction(self, idx: int) -> int: ...
    @overload
    def reduction(self, idx: Sequence[int] | None = None) -> list[int]: ...
    def reduction(self, idx: int | Sequence[int] | None = None) -> Any:
        """Return the factor by which a map is smaller than the input; see :meth:`channels`."""
        return self._values("reduction", idx)

    @overload
    def module_name(self, idx: int) -> str: ...
    @overload
    def module_name(self, idx: Sequence[int] | None = None) -> list[str]: ...
    def module_name(self, idx: int | Sequence[int] | None = None) -> Any:
        """Return the module that a map comes from; see :meth:`channels`."""
        return self._values("module", idx)

    def _values(self, key: Key, idx: int | Sequence[int] | None) -> Any:
        chosen = self.out_indices if idx is None else idx
        if isinstance(chosen, Sequence):
            return [self._info[index][key] for index in chosen]
        return self._info[chosen][key]

    def select(self, indices: Sequence[int]) -> "FeatureInfo":
        """Return the same maps, with ``indices`` as those that are returned."""
        maps = range(len(self))
        return FeatureInfo(
            self.channels(maps), self.reduction(maps), self.module_name(maps), indices
        )


class FeaturePyramid(nn.Module):
    """A network's encoder alone: ``forward(x)`` returns the chosen feature maps as a list.

    Args:
        encoder: Module that maps (B, C, H, W) to its list of feature maps.
        feature_info: Its maps' description.
        out_indices: Which maps to return, negative ones counted from the deepest; or one number,
            for so many of the deepest maps, as in timm. All by default.
        in_chans: Channels of the input, which is then checked as a whole network's is; None where
            they are not known.
        pretrained_cfg: Record of the weights that the encoder has, or would have.

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
        *,
        in_chans: int | None = None,
        pretrained_cfg: PretrainedCfg | None = None,
    ) -> None:
        super().__init__()
        self.out_indices = _indices(out_indices, len(feature_info))
        self.encoder = encoder
        self.feature_info = feature_info.select(self.out_indices)
        self.in_chans = in_chans
        self.pretrained_cfg = pretrained_cfg
        self.grad_checkpointing = False

    @property
    def default_cfg(self) -> PretrainedCfg | None:
        """The same as ``pretrained_cfg``, by timm's older name."""
        return self.pretrained_cfg

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Train in less memory and more time: compute activations again in the backward pass.

        Args:
            enable: False to keep activations again.
        """
        self.grad_checkpointing = enable

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the chosen feature maps of ``x`` (B, C, H, W), finest first.

        Raises:
            TypeError: If ``x`` is not a floating-point tensor.
            ValueError: If its rank, channels or size do not fit.
        """
        if self.in_chans is not None:
            check_images(x, self.in_chans)
        again = self.grad_checkpointing and torch.is_grad_enabled()
        maps = checkpointed(self.encoder, x, self) if again else self.encoder(x)
        return [maps[index] for index in self.out_indices]

    if TYPE_CHECKING:
        # nn.Module says that a call returns anything; it returns what forward does.
        __call__ = forward


def _indices(out_indices: int | Sequence[int] | None, count: int) -> tuple[int, ...]:
    """Which of ``count`` maps are meant, counted from the finest."""
    if out_indices is None:
        return tuple(range(count))
    indices = [*out_indices] if isinstance(out_indices, Iterable) else [out_indices]
    if any(isinstance(index, bool) or not isinstance(index, Integral) for index in indices):
        raise TypeError(f"out_indices must be a number or several, not {out_indices!r}")
    if not isinstance(out_indices, Iterable):
        if not 1 <= out_indices <= count:
            raise ValueError(
                f"out_indices={out_indices} asks for so many of the deepest maps, and the encoder "
                f"has {count}: use 1 to {count}, or ({out_indices},) for the map of that index"
            )
        return tuple(range(count - int(out_indices), count))
    for index in indices:
        if not -count <= index < count:
            raise ValueError(
                f"out_indices names map {index}, but the encoder has {count} maps: use 0 to "
                f"{count - 1}"
            )
    return tuple(int(index) % count for index in indices)
