"""Small networks, each with one habit that an operation on it may stumble over."""

import dataclasses
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

Maps = namedtuple("Maps", "fine coarse")


@dataclasses.dataclass
class Output:
    logits: torch.Tensor


def conv(in_chans: int, out_chans: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_chans, out_chans, 3, stride, 1)


class Base(nn.Module):
    """Stem, two convolutions called one by one, a pyramid of two maps, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 8, 2)
        self.first, self.second = conv(8, 16), conv(16, 16)
        self.relu = nn.ReLU()
        self.deep = nn.Sequential(conv(16, 16, 2), nn.BatchNorm2d(16), nn.ReLU())
        self.head = nn.Conv2d(16, 1, 1)

    def double(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.second(self.relu(self.first(x))))

    def forward(self, x: torch.Tensor) -> Any:
        x = self.double(self.stem(x))
        return self.head(x + F.interpolate(self.deep(x), x.shape[-2:]))


class SharedInPlace(Base):
    """One in-place activation for all layers, and a residual connection."""

    def __init__(self) -> None:
        super().__init__()
        self.skip = nn.Conv2d(8, 16, 1)
        self.relu = nn.ReLU(inplace=True)

    def double(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(self.relu(self.first(x)))
        y += self.skip(x)
        return self.relu(y)


class Functional(Base):
    def double(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu_(self.second(F.relu(self.first(x), inplace=True)))


class WritesBetween(Base):
    """The map between two convolutions is written to."""

    def double(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        y = y.clone()
        y[..., :4] = 0
        return self.second(y)


class KeepsBetween(Base):
    """The map between two convolutions is kept, and has a second reader."""

    def double(self, x: torch.Tensor) -> torch.Tensor:
        self.middle = self.first(x)
        return self.second(self.middle) + self.middle


class SigmoidEnd(Base):
    """Convolutions that end in a probability."""

    def __init__(self) -> None:
        super().__init__()
        self.end = nn.Sequential(conv(1, 4), nn.ReLU(), conv(4, 1), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(super().forward(x))


class Gate(Base):
    """A gate made by two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Sequential(conv(16, 16), nn.ReLU(), conv(16, 16), nn.Hardsigmoid())

    def double(self, x: torch.Tensor) -> torch.Tensor:
        x = super().double(x)
        return x * self.gate(x)


class CalledTwice(Base):
    """One convolution for two scales."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = conv(16, 16)

    def double(self, x: torch.Tensor) -> torch.Tensor:
        x = super().double(x)
        low = self.shared(F.avg_pool2d(x, 2))
        return self.shared(x) + F.interpolate(low, x.shape[-2:])


class SecondName(Base):
    def __init__(self) -> None:
        super().__init__()
        self.alias = self.second


class ReturnsDictionary(Base):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": super().forward(x)}


class ReturnsOrdered(Base):
    def forward(self, x: torch.Tensor) -> Any:
        return OrderedDict(out=super().forward(x), image=x)


class ReturnsDataclass(Base):
    def forward(self, x: torch.Tensor) -> Output:
        return Output(super().forward(x))


class Pyramid(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = conv(16, 16), conv(16, 24, 2)

    def forward(self, x: torch.Tensor) -> Maps:
        fine = self.fine(x)
        return Maps(fine, self.coarse(fine))


class NamedMaps(Base):
    """A named tuple of maps on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.pyramid, self.merge = Pyramid(), nn.Conv2d(24, 16, 1)

    def double(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.pyramid(super().double(x))
        return maps.fine + F.interpolate(self.merge(maps.coarse), maps.fine.shape[-2:])


class TakesList(Base):
    """The images come one by one, as in detection."""

    def forward(self, images: list[torch.Tensor]) -> torch.Tensor:  # type: ignore[override]
        return super().forward(torch.stack(images))


class TakesKeywords(Base):
    def forward(self, *, pixel_values: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(pixel_values)


class Normed(Base):
    """Weights that are computed from others."""

    def __init__(self) -> None:
        super().__init__()
        self.first = parametrizations.weight_norm(self.first)
        self.second = parametrizations.spectral_norm(self.second)


class Stage(nn.Module):
    """A residual stage on maps (B, H, W, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(nn.Linear(channels, 32), nn.GELU(), nn.Linear(32, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.mlp(self.norm(x))


class ChannelsLastStages(Base):
    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.Sequential(Stage(16), Stage(16))

    def double(self, x: torch.Tensor) -> torch.Tensor:
        x = super().double(x)
        return self.stages(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Checkpointed(Base):
    """A stage that is computed again in the backward pass."""

    def double(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().double(x)
        result: torch.Tensor = checkpoint(super().double, x, use_reentrant=False)
        return result


class Auxiliary(Base):
    """A second output in training alone."""

    def __init__(self) -> None:
        super().__init__()
        self.aux = nn.Conv2d(8, 1, 1)

    def forward(self, x: torch.Tensor) -> Any:
        out = super().forward(x)
        return (out, self.aux(self.stem(x))) if self.training else out


class Frozen(Base):
    """A stem without gradients."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            x = self.stem(x)
        x = self.double(x)
        return self.head(x + F.interpolate(self.deep(x), x.shape[-2:]))


class Split(Base):
    """Halves of the channels go different ways, and are shuffled back."""

    def __init__(self) -> None:
        super().__init__()
        self.part = conv(8, 8)

    def double(self, x: torch.Tensor) -> torch.Tensor:
        left, right = super().double(x).chunk(2, 1)
        joined = torch.stack([self.part(left), right], 2)
        return joined.flatten(1, 2)


class Iterates(nn.ModuleDict):
    """A dictionary of stages that is its own forward pass, as timm's features are."""

    def __init__(self) -> None:
        super().__init__({"stem": conv(3, 8, 2), "one": conv(8, 16, 2), "two": conv(16, 16)})

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = []
        for stage in self.values():
            x = stage(x)
            maps.append(x)
        return maps


class Reads(Base):
    """Code that looks into a layer beside calling it."""

    def double(self, x: torch.Tensor) -> torch.Tensor:
        x = super().double(x)
        return x / self.second.weight.norm()


class Double(Base):
    def __init__(self) -> None:
        super().__init__()
        self.double_precision = nn.Sequential(conv(16, 16), nn.ReLU()).double()

    def double(self, x: torch.Tensor) -> torch.Tensor:
        return self.double_precision(super().double(x).double()).float()


def _one(x: torch.Tensor) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (x,), {}


Call = Callable[[torch.Tensor], tuple[tuple[Any, ...], dict[str, Any]]]
CALLS: dict[type[nn.Module], Call] = {
    TakesList: lambda x: ((list(x),), {}),
    TakesKeywords: lambda x: ((), {"pixel_values": x}),
}
ODD_HOSTS: list[type[nn.Module]] = [
    *(Base, SharedInPlace, Functional, WritesBetween, KeepsBetween, SigmoidEnd, Gate, CalledTwice),
    *(SecondName, ReturnsDictionary, ReturnsOrdered, ReturnsDataclass, NamedMaps, TakesList),
    *(TakesKeywords, Normed, ChannelsLastStages, Checkpointed, Auxiliary, Frozen, Split, Iterates),
    *(Reads, Double),
]


def call_of(kind: type[nn.Module]) -> Call:
    """Return what makes a network's arguments from a batch of images."""
    return CALLS.get(kind, _one)
