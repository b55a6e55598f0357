"""The network families: which networks each has, what it is called, its class and its paper."""

import dataclasses
import importlib
import inspect
from collections import defaultdict

import torch

import skinseg
from skinseg.models import CATALOG, SegmentationModel
from skinseg.registry import model_class


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of networks, which is a module of ``skinseg.models``.

    Attributes:
        module: Name of the module.
        title: What the network is called; the module's docstring begins with it.
        summary: What the module's docstring goes on to say.
        kind: The class.
        networks: Names of its networks, the one that the figure shows first.
        ablations: Names of its networks that are rows of the papers' ablation tables.
    """

    module: str
    title: str
    summary: str
    kind: type[SegmentationModel]
    networks: tuple[str, ...]
    ablations: tuple[str, ...] = ()


def _kind(name: str) -> type[SegmentationModel]:
    kind = model_class(name)
    if kind is None or not issubclass(kind, SegmentationModel):
        raise TypeError(
            f"{name} does not say which class it returns; annotate it, as in "
            f"`def {name}(**kwargs: Any) -> MyNetwork`"
        )
    return kind


def weightless(name: str) -> SegmentationModel:
    """Create a network on the meta device, where it has shapes and no values."""
    with torch.device("meta"):
        network = skinseg.create_model(name)
    if not isinstance(network, SegmentationModel):
        raise TypeError(f"{name} is a {type(network).__name__} and no SegmentationModel")
    return network


def families() -> list[Family]:
    """Return all families, sorted by their modules' names."""
    members: defaultdict[str, list[str]] = defaultdict(list)
    extra: defaultdict[str, list[str]] = defaultdict(list)
    for name, entry in CATALOG.items():
        home = str(entry["module"])
        if home == "ablations":  # A row of a table belongs to the family of its class.
            extra[_kind(name).__module__.rpartition(".")[2]].append(name)
        else:
            members[home].append(name)
    found = []
    for module, names in sorted(members.items()):
        doc = inspect.getdoc(importlib.import_module(f"skinseg.models.{module}")) or ""
        title, _, summary = doc.partition("\n")[0].partition(": ")
        if not summary:
            raise ValueError(
                f"the docstring of skinseg.models.{module} must begin with the network's name and "
                f'a colon, as in """EGE-UNet: ...""", not {title!r}'
            )
        # The network called as its module is the one as published.
        first = [name for name in names if name == module]
        found.append(
            Family(
                module,
                title,
                summary[0].upper() + summary[1:],
                _kind((first or names)[0]),
                (*first, *sorted(set(names) - {module})),
                tuple(sorted(extra[module])),
            )
        )
    return found
