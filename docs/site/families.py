"""The network families: which networks each has, what it is called, its class and its paper."""

import dataclasses
import importlib
import inspect
from collections import defaultdict

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


def families() -> list[Family]:
    """Return all families, sorted by their modules' names."""
    members = defaultdict(list)
    extra = defaultdict(list)
    for name, entry in CATALOG.items():
        home = _kind(name).__module__.rpartition(".")[2]
        (extra if entry["module"] == "ablations" else members)[home].append(name)
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
        names.sort(key=lambda name, module=module: (name != module, name))
        found.append(
            Family(
                module,
                title,
                summary[0].upper() + summary[1:],
                _kind(names[0]),
                tuple(names),
                tuple(sorted(extra[module])),
            )
        )
    return found
