"""Whether a block fits: what flows at a place, the block made for it, and a first try on zeros."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map

from skinseg.blocks import BLOCKS, block_class, refuse_unknown_options
from skinseg.complexity.evaluation_mode import evaluation_mode
from skinseg.surgery.trace import Trace, Use, Value

Maker = Callable[..., nn.Module]


class SurgeryError(ValueError):
    """A block cannot stand where it was to stand; the network is as it was."""


def block_maker(block: str | Maker, options: dict[str, Any]) -> Maker:
    """Return a function from channels to a block.

    Raises:
        ValueError: If there is no block of that name.
        SurgeryError: If it takes several maps apart.
        TypeError: If it is neither a name, a class nor a function, does not take an option, or
            options are given with a function.
    """
    if isinstance(block, nn.Module) or not (isinstance(block, str) or callable(block)):
        raise TypeError(
            f"block must be a name, a class or a function of the channels, not {_kind(block)}; a "
            "block of its own is made for each place"
        )
    if isinstance(block, str):
        block = block_class(block)
    elif not isinstance(block, type):
        if options:
            raise TypeError(f"options {', '.join(options)} go with a block's name, not a function")
        return block
    refuse_unknown_options(block, options)
    needed = _needed_by_forward(block)
    if len(needed) > 1:
        raise SurgeryError(
            f"{block.__name__} takes {' and '.join(needed)}, and a place gives one map or one list "
            "of maps; write a module that gives it both, and put that in"
        )
    keeps = "out_chans" not in inspect.signature(block).parameters
    if keeps and block in BLOCKS.values():
        return partial(_keeping, block, options)
    return partial(block, **options)


def _needed_by_forward(block: type[nn.Module]) -> list[str]:
    """Names of the arguments that a block cannot be called without."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = list(inspect.signature(block.forward).parameters.values())[1:]
    return [p.name for p in parameters if p.kind in positional and p.default is p.empty]


def _keeping(block: type[nn.Module], options: dict[str, Any], *channels: Any) -> nn.Module:
    """A bridge, which keeps the channels and has no argument for others."""
    if len(set(map(str, channels))) > 1:
        raise ValueError(f"{block.__name__} keeps the channels, and they become {channels[1]}")
    return block(channels[0], **options)


def make_block(
    maker: Maker, channels: tuple[Any, ...], host: nn.Module, model: nn.Module
) -> nn.Module:
    """Make a block on the device, of the type and in the mode of the module beside it.

    Raises:
        SurgeryError: If the block refuses these channels.
        TypeError: If what is made is no module.
    """
    try:
        block = maker(*channels)
    except ValueError as error:
        raise SurgeryError(f"no block for {channels[0]} channels: {error}") from error
    except Exception as error:
        raise SurgeryError(f"no block for {channels[0]} channels: {told(error)}") from error
    if not isinstance(block, nn.Module):
        raise TypeError(f"the function for the block returned {_kind(block)}, not a module")
    if any(block is module for module in model.modules()):
        raise SurgeryError("the function returned a module of the network; make one per place")
    floating = [p for p in (*host.parameters(), *model.parameters()) if p.is_floating_point()]
    if floating:
        block = block.to(floating[0].device, floating[0].dtype)
    return block.train(host.training)


def try_block(block: nn.Module, given: Any, wanted: Any) -> None:
    """Run a block on zeros.

    Args:
        block: The block.
        given: Its input, with a :class:`Value` for each tensor.
        wanted: What its output's shapes must be, in the same way.

    Raises:
        SurgeryError: If it fails, or gives another shape.
    """
    like = next(block.parameters(), torch.empty(0))
    zeros = tree_map(lambda v: like.new_zeros(v.shape) if isinstance(v, Value) else v, given)
    try:
        with evaluation_mode(block):
            result = shapes(block(zeros))
    except Exception as error:
        raise SurgeryError(f"{type(block).__name__} fails there: {told(error)}") from error
    if result != shapes(wanted):
        raise SurgeryError(
            f"{type(block).__name__} turns {shapes(given)} into {result}, and the network needs "
            f"{shapes(wanted)}"
        )


def feature_map(value: Any, what: str) -> Value:
    """Return ``value`` if it is a feature map.

    Raises:
        SurgeryError: If it is anything but a tensor of four dimensions.
    """
    if not isinstance(value, Value):
        raise SurgeryError(f"{what} is {_kind(value)}, not one feature map (B, C, H, W)")
    if len(value.shape) != 4:
        raise SurgeryError(f"{what} is {value.shape}, not a feature map (B, C, H, W)")
    return value


def only_call(trace: Trace, name: str) -> Use:
    """Return the call of a module.

    Raises:
        SurgeryError: If there is none, or more than one.
    """
    calls = trace.calls.get(name, [])
    if len(calls) == 1:
        return calls[0]
    if calls:
        raise SurgeryError(f"{name} runs {len(calls)} times in one pass: its parts are shared")
    raise SurgeryError(
        f"{name} does not run as a module with this input: it may be a list of modules, be used "
        "in training only, or stand under another name"
    )


def shapes(tree: Any) -> Any:
    """The same with each tensor or value replaced by its shape, anything else by its type."""
    tensors = (torch.Tensor, Value)
    return tree_map(lambda x: tuple(x.shape) if isinstance(x, tensors) else type(x).__name__, tree)


def _kind(value: Any) -> str:
    sized = isinstance(value, (list, tuple, dict))
    return f"a {type(value).__name__}{f' of {len(value)}' if sized else ''}"


def told(error: Exception) -> str:
    """An error of other code, as ours quote it."""
    return f"{type(error).__name__}: {error}"
