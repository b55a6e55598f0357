"""Networks of other libraries by name, where these are installed: ``smp:unet``, ``timm:vgg11``."""

import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from skinseg.names import near_matches, refuse_unknown

if TYPE_CHECKING:
    from torch import nn

_PACKAGES = {"smp": "segmentation_models_pytorch", "timm": "timm"}
# What a network is first filled with is no part of what it is, and is loaded from nowhere when the
# network is built again.
_WEIGHTS: dict[str, dict[str, Any]] = {
    "smp": {"encoder_weights": None},
    "timm": {"pretrained": False},
}
# What smp calls what timm and this package call otherwise.
_SMP_NAMES = {"num_classes": "classes", "in_chans": "in_channels"}
# They name files or repositories.
_REFUSED = {"checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"}


def is_library_name(name: str) -> bool:
    """Tell whether a name is that of a network of another library.

    Example:
        >>> is_library_name("smp:unet"), is_library_name("unet")
        (True, False)
    """
    return name.partition(":")[0] in _PACKAGES


def build_library_network(name: str, arguments: Mapping[str, Any]) -> "nn.Module":
    """Build a network of another library.

    Args:
        name: ``smp:ARCH``, a name of ``smp.create_model``, or ``timm:ARCH``, one of
            ``timm.create_model``.
        arguments: What that function takes. Without ``encoder_weights`` (smp) or ``pretrained``
            (timm) the weights are random.

    Returns:
        The network.

    Raises:
        ValueError: If the library is not installed, or has no such network.
        TypeError: If an argument names weights in a file or a repository, or is not one of smp's.
    """
    library, _, arch = name.partition(":")
    package = _package(library, name)
    refused = sorted(_REFUSED.intersection(arguments))
    if refused:
        raise TypeError(f"{name} takes no argument {refused[0]!r} here; load weights afterwards")
    if ":" in str(arguments.get("encoder_name", "")):
        raise ValueError(
            f"encoder_name must be a name, not a place of weights: {arguments['encoder_name']!r}"
        )
    known = _names(package, library)
    if arch not in known:
        otherwise = "timm.list_models() lists its names" if library == "timm" else None
        raise ValueError(
            f"{library} has no network {arch!r}; {near_matches(arch, known, otherwise)}"
        )
    if library == "smp":
        _refuse_what_smp_ignores(name, package.MODEL_ARCHITECTURES_MAPPING[arch], arguments)
    network: nn.Module = package.create_model(arch, **{**_WEIGHTS[library], **arguments})
    return network


def arguments_to_build_again(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments without those that say which weights the network is first filled with.

    Example:
        >>> arguments_to_build_again("smp:unet", {"encoder_weights": "imagenet", "classes": 2})
        {'classes': 2}
    """
    weights = _WEIGHTS[name.partition(":")[0]]
    return {key: value for key, value in arguments.items() if key not in weights}


def recognized(model: "nn.Module") -> tuple[str, dict[str, Any]] | None:
    """Return name and arguments of a network that smp made, which keeps them; None of others."""
    if not type(model).__module__.startswith("segmentation_models_pytorch."):
        return None
    package = importlib.import_module("segmentation_models_pytorch")
    for arch, kind in package.MODEL_ARCHITECTURES_MAPPING.items():
        if type(model) is kind:
            name = f"smp:{arch}"
            return name, arguments_to_build_again(name, getattr(model, "config", {}))
    return None


def input_channels(arguments: Mapping[str, Any]) -> int:
    """Return the channels of the input that the arguments of a library's network say."""
    channels: int = arguments.get("in_channels", arguments.get("in_chans", 3))
    return channels


def _refuse_what_smp_ignores(
    name: str, kind: "type[nn.Module]", arguments: Mapping[str, Any]
) -> None:
    """Raise a TypeError if smp would drop an argument without a word."""
    # What smp does not know is for the encoder, and only encoders of timm take any.
    if str(arguments.get("encoder_name", "")).startswith("tu-"):
        return
    known = set(inspect.signature(kind).parameters)
    for key, smp_name in _SMP_NAMES.items():
        if key in arguments and key not in known:
            raise TypeError(f"{name} takes no argument {key!r}; it is {smp_name} in smp")
    refuse_unknown(arguments, known, name)


def _package(library: str, name: str) -> Any:
    package = _PACKAGES[library]
    if importlib.util.find_spec(package) is None:
        install = f"pip install {package.replace('_', '-')}"
        raise ValueError(f"{name} is a network of {package}, which is not installed: {install}")
    return importlib.import_module(package)


def _names(package: Any, library: str) -> list[str]:
    if library == "timm":
        return [str(name) for name in package.list_models()]
    return list(package.MODEL_ARCHITECTURES_MAPPING)
