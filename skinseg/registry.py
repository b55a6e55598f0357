"""Which networks exist, by name. The grammar, ``arch`` and ``arch.tag``, is timm's."""

import importlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from skinseg.names import near_matches, split_name

if TYPE_CHECKING:
    from torch import nn

Entrypoint = Callable[..., "nn.Module"]
F = TypeVar("F", bound=Entrypoint)

_entrypoints: dict[str, Entrypoint] = {}
# Networks whose module is imported when one of them is asked for, so that names need no torch.
_declared: dict[str, str] = {}
# Names that weights may have, and that are no network by themselves.
_unlisted: set[str] = set()


def register_model(entrypoint: F) -> F:
    """Register a function that builds a network, under the function's name. A decorator.

    The function takes the architecture's keyword arguments and returns a module; weights are the
    factory's business. It may live in anybody's package.

    Args:
        entrypoint: ``def name(**kwargs) -> nn.Module``.

    Returns:
        The function itself.

    Raises:
        ValueError: If another function is registered under that name, or the name has a dot.

    Example:
        >>> from torch import nn
        >>> @register_model
        ... def my_tiny_net(*, in_chans=3, num_classes=1):
        ...     return nn.Conv2d(in_chans, num_classes, 1)
        >>> is_model("my_tiny_net")
        True
    """
    name = entrypoint.__name__
    known = _entrypoints.get(name)
    # A module run twice (as a doctest, or reloaded in a notebook) registers its own again.
    again = known is not None and (known.__module__, known.__qualname__) == (
        entrypoint.__module__,
        entrypoint.__qualname__,
    )
    owner = known.__module__ if known is not None else _declared.get(name, entrypoint.__module__)
    if not again and (known is not None or owner != entrypoint.__module__):
        raise ValueError(f"a network named {name!r} is registered already, by {owner}")
    _entrypoints[name] = entrypoint
    return entrypoint


def declare_model(name: str, module: str, *, listed: bool = True) -> None:
    """State which module registers a network, without importing it.

    Args:
        name: The network's registered name.
        module: Full name of the module, imported when the network is first asked for.
        listed: Whether :func:`model_names` has it. One that is made of other networks is not
            listed: without these there is nothing to build.
    """
    _declared[name] = module
    if not listed:
        _unlisted.add(name)


def is_model(name: str) -> bool:
    """Tell whether a network of this name, with or without a tag, is registered.

    Example:
        >>> is_model("malunet"), is_model("resnet50")
        (True, False)
    """
    arch, _ = split_name(name)
    return arch in _entrypoints or arch in _declared


def model_names() -> list[str]:
    """Return the registered architectures that are listed, sorted, without tags."""
    return sorted((_entrypoints.keys() | _declared.keys()) - _unlisted)


def model_module(name: str) -> str:
    """Return the full name of the module that registers a network; a tag is ignored."""
    arch, _ = split_name(name)
    return _declared.get(arch) or model_entrypoint(arch).__module__


def model_entrypoint(name: str) -> Entrypoint:
    """Return the function that builds a network.

    Args:
        name: Registered name; a tag is ignored.

    Raises:
        ValueError: If there is no such network; the message names near matches.

    Example:
        >>> model_entrypoint("malunet").__name__
        'malunet'
    """
    arch, _ = split_name(name)
    if arch not in _entrypoints and arch in _declared:
        importlib.import_module(_declared[arch])
    if arch not in _entrypoints:
        raise ValueError(f"there is no network {arch!r}; {near_matches(arch, model_names())}")
    return _entrypoints[arch]


def model_class(name: str) -> type[object] | None:
    """Return the class that a network's function says it returns, or None where it does not say."""
    entrypoint = model_entrypoint(name)
    try:
        returned = inspect.get_annotations(entrypoint, eval_str=True).get("return")
    except Exception:  # Its annotations may have names that only type checkers import.
        return None
    return returned if inspect.isclass(returned) else None
