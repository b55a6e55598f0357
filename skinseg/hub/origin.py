"""What a network can be built again from: its name, its arguments, and the blocks put into it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from skinseg.checkpoint import state_differences
from skinseg.libraries import (
    build_library_network,
    input_channels,
    is_library_name,
    recognized,
)
from skinseg.pretrained import PretrainedCfg
from skinseg.registry import model_entrypoint, model_module
from skinseg.surgery import Recipe, apply, recipe_of
from skinseg.unwrap import unwrapped

# Networks of other libraries have attributes of their own by our names.
_ATTRIBUTE = "_skinseg_origin"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Origin:
    """What a record needs to build a network again.

    Attributes:
        architecture: Registered name, or ``smp:ARCH`` or ``timm:ARCH``.
        model_args: The arguments that it is built with.
        in_chans: Channels of its input.
        pretrained_cfg: Record of the weights that it was created with, or None.
    """

    architecture: str
    model_args: dict[str, Any]
    in_chans: int
    pretrained_cfg: PretrainedCfg | None = None


def origin_of(model: nn.Module) -> Origin | None:
    """Return what a network can be built again from; None where nothing says so.

    Args:
        model: The network, also in ``DataParallel``, an average or compiled.

    Example:
        >>> import skinseg
        >>> origin_of(skinseg.create_model("malunet")).architecture
        'malunet'
        >>> origin_of(nn.Conv2d(3, 1, 1)) is None
        True
    """
    model = unwrapped(model)
    known = getattr(model, _ATTRIBUTE, None)
    if isinstance(known, Origin):
        return known
    library = recognized(model)
    if library is not None:
        name, arguments = library
        return Origin(architecture=name, model_args=arguments, in_chans=input_channels(arguments))
    architecture, config = getattr(model, "architecture", ""), getattr(model, "config", None)
    if not isinstance(architecture, str) or not architecture or not isinstance(config, dict):
        return None
    cfg = getattr(model, "pretrained_cfg", None)
    return Origin(
        architecture=architecture,
        model_args=config,
        in_chans=getattr(model, "in_chans", 3),
        pretrained_cfg=cfg if isinstance(cfg, PretrainedCfg) else None,
    )


def record_in(model: nn.Module) -> PretrainedCfg | None:
    """Return the record that a network carries.

    Args:
        model: The network, wrapped or not. One of timm has a dictionary of its own; of that the
            record says how images are prepared, and nothing else.

    Returns:
        The record, or None where the network carries none.

    Example:
        >>> import skinseg
        >>> network = skinseg.create_model("malunet", pretrained=True)
        >>> record_in(nn.DataParallel(network)).name
        'malunet.isic2017'
    """
    own = getattr(unwrapped(model), "pretrained_cfg", None)
    if isinstance(own, PretrainedCfg):
        return own
    origin = origin_of(model)
    if origin is not None and origin.pretrained_cfg is not None:
        return origin.pretrained_cfg
    return _timms_record(own) if isinstance(own, Mapping) else None


def _timms_record(settings: Mapping[str, Any]) -> PretrainedCfg | None:
    """How images are prepared, if it is timm's dictionary that says so."""
    if not settings.keys() >= {"input_size", "mean", "std"}:
        return None
    moments = {key: [float(value) for value in settings[key]] for key in ("mean", "std")}
    return PretrainedCfg(
        architecture="",
        input_size=tuple(settings["input_size"]),
        normalization={"kind": "mean_std", **moments},
    )


def channels_in(model: nn.Module) -> int:
    """Return the channels of a network's input, 3 where nothing says so.

    Example:
        >>> import skinseg
        >>> channels_in(nn.DataParallel(skinseg.create_model("malunet", in_chans=1)))
        1
    """
    own = getattr(unwrapped(model), "in_chans", None)
    if isinstance(own, int):
        return own
    origin = origin_of(model)
    return 3 if origin is None else origin.in_chans


def set_origin(model: nn.Module, origin: Origin) -> None:
    """Let a network of another library know what it was built from."""
    setattr(model, _ATTRIBUTE, origin)


def build(architecture: str, model_args: dict[str, Any], surgery: Recipe) -> nn.Module:
    """Build a network as a record says, with random weights.

    Raises:
        ValueError, TypeError: If there is no such network, or it does not take the arguments.
        SurgeryError: If the blocks cannot be put in.
    """
    if is_library_name(architecture):
        network = build_library_network(architecture, model_args)
    else:
        network = model_entrypoint(architecture)(**model_args)
    return apply(network, surgery, inplace=True) if surgery else network


def needs_memory(architecture: str) -> bool:
    """Whether a network may be one that cannot be built on the ``meta`` device.

    All of this package can; others may compute numbers while they are made.
    """
    return is_library_name(architecture) or not model_module(architecture).startswith("skinseg.")


def rebuilt_differences(model: nn.Module) -> list[str]:
    """Compare a network with the one that its origin and its surgery build.

    Args:
        model: A network with an origin; see :func:`origin_of`.

    Returns:
        What differs among names and shapes of weights, in words; nothing if the weights fit.
    """
    origin = origin_of(model)
    if origin is None:
        return ["nothing says what it was built from"]
    try:
        recipe = recipe_of(model)
        rebuilt = _empty(origin, recipe)
    except (ValueError, TypeError) as error:  # Another block, or a class that is none of ours.
        return [str(error)]
    return state_differences(rebuilt.state_dict(), model.state_dict())


def _empty(origin: Origin, recipe: Recipe) -> nn.Module:
    """Build a network without memory for its weights, or with, where it cannot do without."""
    try:
        with torch.device("meta"):
            return build(origin.architecture, origin.model_args, recipe)
    except (NotImplementedError, RuntimeError):
        if not needs_memory(origin.architecture):
            raise
        return build(origin.architecture, origin.model_args, recipe)
