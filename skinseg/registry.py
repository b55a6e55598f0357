"""Which networks exist, by name. The grammar, ``arch`` and ``arch.tag``, is timm's."""

import difflib
import fnmatch
from collections.abc import Callable, Iterable
from typing import TypeVar

from torch import nn

Entrypoint = Callable[..., nn.Module]
F = TypeVar("F", bound=Entrypoint)

_entrypoints: dict[str, Entrypoint] = {}


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
    if known is not None and not again:
        raise ValueError(f"a network named {name!r} is registered already, by {known.__module__}")
    _entrypoints[name] = entrypoint
    return entrypoint


def split_name(name: str) -> tuple[str, str]:
    """Split ``arch.tag`` into the two; the tag is empty where there is none.

    Example:
        >>> split_name("egeunet.isic2017"), split_name("egeunet")
        (('egeunet', 'isic2017'), ('egeunet', ''))
    """
    arch, _, tag = name.partition(".")
    return arch, tag


def is_model(name: str) -> bool:
    """Tell whether a network of this name, with or without a tag, is registered.

    Example:
        >>> is_model("malunet"), is_model("resnet50")
        (True, False)
    """
    return split_name(name)[0] in _entrypoints


def model_names() -> list[str]:
    """Return all registered architectures, sorted, without tags."""
    return sorted(_entrypoints)


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
    if arch not in _entrypoints:
        raise ValueError(f"there is no network {arch!r}; {near_matches(arch, _entrypoints)}")
    return _entrypoints[arch]


def near_matches(name: str, known: Iterable[str]) -> str:
    """Return the hint of an error message: what the user may have meant."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are: {', '.join(known) or 'none'}"


def matches(name: str, patterns: str | Iterable[str]) -> bool:
    """Tell whether a name fits a wildcard pattern, or one of several."""
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
