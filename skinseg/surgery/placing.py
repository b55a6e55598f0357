"""Modules into the places of others, and back."""

from collections.abc import Callable
from functools import partial

from torch import nn

Undo = Callable[[], object]


def swap(model: nn.Module, old: nn.Module, new: nn.Module) -> list[Undo]:
    """Put ``new`` in the place of a module, under every name that the module has.

    Returns:
        What undoes it.
    """
    undo: list[Undo] = []
    for parent in list(model.modules()):
        for key, child in parent._modules.items():
            if child is old and parent is not new:
                parent._modules[key] = new
                undo.append(partial(parent._modules.__setitem__, key, old))
    return undo


def appends(host: nn.Module, maps: object) -> bool:
    """Whether a block after ``host`` becomes its last part, so that no name changes."""
    return maps is None and type(host).forward is nn.Sequential.forward


def append(sequence: nn.Module, block: nn.Module) -> Undo:
    """Put a block at the end of an ``nn.Sequential``, whose other parts keep their names.

    Returns:
        What undoes it.
    """
    key = f"inserted_{len(sequence._modules)}"
    sequence.add_module(key, block)
    return lambda: sequence._modules.pop(key)
