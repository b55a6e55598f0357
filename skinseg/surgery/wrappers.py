"""A module of a host network together with the block beside it."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange
from torch import nn

Maps = int | str | Sequence[int | str]


def get_maps(flow: Any, maps: Maps | None) -> Any:
    """Return the feature maps that pass the block: all of ``flow``, one of its maps, or several."""
    if maps is None:
        return flow
    return flow[maps] if isinstance(maps, (int, str)) else [flow[index] for index in maps]


def set_maps(flow: Any, maps: Maps | None, results: Any) -> Any:
    """Return ``flow`` with the maps replaced; the list that the host made is left as it is."""
    if maps is None:
        return results
    pairs = [(maps, results)] if isinstance(maps, (int, str)) else zip(maps, results, strict=True)
    changed: Any = list(flow) if type(flow) is list or isinstance(flow, tuple) else _copied(flow)
    for index, result in pairs:
        changed[index] = result
    if not isinstance(flow, tuple):
        return changed
    # A named tuple takes its fields one by one.
    return type(flow)(*changed) if hasattr(flow, "_fields") else tuple(changed)


def _copied(flow: Any) -> Any:
    # torch.compile follows dict(), and not copy(), which keeps an ordered or a library's own type.
    return dict(flow) if type(flow) is dict else copy.copy(flow)


class ChannelsLast(nn.Module):
    """A block in a network whose maps are (B, H, W, C)."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.training = block.training

    def forward(self, maps: Any) -> Any:
        """Return what the block gives for one or several maps (B, H, W, C), in that layout."""
        if isinstance(maps, torch.Tensor):
            return channels_last(self.block(channels_first(maps)))
        return [channels_last(result) for result in self.block([channels_first(m) for m in maps])]


def laid_out(block: nn.Module, layout: str | None) -> nn.Module:
    """A block for maps of a layout."""
    return ChannelsLast(block) if layout == "NHWC" else block


def block_type(block: nn.Module) -> str:
    """The type of a block, laid out or not."""
    return type(block.block if isinstance(block, ChannelsLast) else block).__name__


def channels_first(x: torch.Tensor) -> torch.Tensor:
    """From (B, H, W, C) to (B, C, H, W)."""
    return rearrange(x, "b h w c -> b c h w")


def channels_last(x: torch.Tensor) -> torch.Tensor:
    """From (B, C, H, W) to (B, H, W, C)."""
    return rearrange(x, "b c h w -> b h w c")


class Copy(nn.Module):
    """Stand in for a removed module where the network would write over an earlier result."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a copy of ``x``."""
        return x.clone()


class _Placed(nn.Module):
    """Base: the host's other attributes are reached as if it stood alone."""

    def __init__(self, host: nn.Module, block: nn.Module, maps: Maps | None) -> None:
        super().__init__()
        self.host = host
        self.block = block
        self.maps = maps if maps is None or isinstance(maps, (int, str)) else list(maps)
        self.training = host.training

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            # Not there yet while a copy is being made; and what copies the host alone.
            if name == "host" or name.startswith("__") or "_registering" in self.__dict__:
                raise
            return getattr(self.host, name)

    def register_buffer(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Take a name that the host has as well, as counters of operations give each module one."""
        self.__dict__["_registering"] = True
        try:
            super().register_buffer(name, *args, **kwargs)
        finally:
            del self.__dict__["_registering"]

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Take the host's weights by the names that they had before the block came, too."""
        _into_host(self, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _attend(self, flow: Any) -> Any:
        return set_maps(flow, self.maps, self.block(get_maps(flow, self.maps)))


def _into_host(placed: _Placed, state: dict[str, Any], prefix: str) -> None:
    """Put ``host.`` into names that are the host's own; those that have it stay."""
    names = [key.removeprefix(prefix) for key in state if key.startswith(prefix)]
    inside = {f"host.{name}" for name in placed.host.state_dict()}
    if not inside or inside.intersection(names):
        return
    parts = {name.partition(".")[0] for name, _ in placed.host.named_modules()}
    blocks = set() if "block" in parts else {f"block.{key}" for key in placed.block.state_dict()}
    for name in names:
        if name not in blocks:
            state[f"{prefix}host.{name}"] = state.pop(f"{prefix}{name}")


class BlockAfter(_Placed):
    """A module, then a block on what it gives."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the host gives, the chosen maps of it attended."""
        return self._attend(self.host(*args, **kwargs))


class BlockBefore(_Placed):
    """A block on one argument of a module, then the module."""

    def __init__(
        self, host: nn.Module, block: nn.Module, maps: Maps | None, argument: int | str
    ) -> None:
        super().__init__(host, block, maps)
        self.argument = argument

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the host gives for the arguments, the chosen one attended."""
        if isinstance(self.argument, str):
            kwargs = {**kwargs, self.argument: self._attend(kwargs[self.argument])}
        else:
            changed = list(args)
            changed[self.argument] = self._attend(changed[self.argument])
            args = tuple(changed)
        return self.host(*args, **kwargs)
