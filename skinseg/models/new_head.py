"""Modules for other numbers of channels into a network, the blocks beside them kept."""

from collections.abc import Sequence

from torch import nn

from skinseg.surgery.recipe import steps_of
from skinseg.surgery.wrappers import BlockAfter, BlockBefore

Place = tuple[nn.Module, str, nn.Module]
_ROWS = (nn.Sequential, nn.ModuleList)


def replace_layers(model: nn.Module, fresh: nn.Module, names: Sequence[str]) -> None:
    """Take modules from a network of the same family, all or none.

    Args:
        model: The network, changed in place. Blocks that :mod:`skinseg.surgery` put before its
            modules stay, with their weights.
        fresh: A network of the same family without blocks put in.
        names: Names of modules of ``fresh``.

    Raises:
        ValueError: If a block stands in the place of one of the modules, or after it.
    """
    places = [place for name in names for place in _places(model, fresh, name)]
    for parent, key, module in places:
        setattr(parent, key, module)


def _places(model: nn.Module, fresh: nn.Module, name: str) -> list[Place]:
    """Which modules go where in the network, so that all of a module is new but blocks in it."""
    new = fresh.get_submodule(name)
    parent, key, old = model, "", model
    for part in name.split("."):
        parent, key, old = old, part, old.get_submodule(part)
        while isinstance(old, BlockBefore):
            parent, key, old = old, "host", old.host
    if not steps_of(model) or _structure(old) == _structure(new):
        return [(parent, key, new)]
    children = list(new._modules)
    if type(old) is type(new) and isinstance(new, _ROWS) and list(old._modules) == children:
        return [place for child in children for place in _places(model, fresh, f"{name}.{child}")]
    raise ValueError(
        f"blocks were put after {name} or in its place, for the old number of classes; create the "
        "network with the new num_classes, and put them in then"
    )


def _structure(module: nn.Module) -> list[tuple[str, type[nn.Module]]]:
    return [(name, type(part)) for name, part in module.named_modules()]


def block_prefixes(model: nn.Module) -> tuple[str, ...]:
    """What the names of weights begin with that belong to blocks beside modules."""
    return tuple(
        f"{name}.block."
        for name, module in model.named_modules()
        if isinstance(module, BlockBefore | BlockAfter)
    )


def name_among_blocks(model: nn.Module, name: str) -> str:
    """The name that a module has now, with ``host`` put in where it or what holds it has a block.

    Args:
        model: A network.
        name: Name of one of its modules before blocks were put in.
    """
    parts: list[str] = []
    module: object = model
    for part in name.split("."):
        module = getattr(module, part, None)
        parts.append(part)
        while isinstance(module, BlockBefore | BlockAfter):
            module = module.host
            parts.append("host")
    return ".".join(parts)
