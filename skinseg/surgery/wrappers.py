"""A module of a host network together with the block beside it."""

from collections.abc import Sequence
from typing import Any

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
    changed: Any = dict(flow) if isinstance(flow, dict) else list(flow)
    for index, result in pairs:
        changed[index] = result
    return tuple(changed) if isinstance(flow, tuple) else changed


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
            if name == "host":  # not there yet while a copy is being made
                raise
            return getattr(self.host, name)

    def _attend(self, flow: Any) -> Any:
        return set_maps(flow, self.maps, self.block(get_maps(flow, self.maps)))


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
