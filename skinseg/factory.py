"""From a name to a network, with weights if asked for."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np

from skinseg import hub
from skinseg.checkpoint import load_checkpoint
from skinseg.libraries import is_library_name
from skinseg.models.base import SegmentationModel
from skinseg.models.features import FeaturePyramid
from skinseg.models.loading import build_network, load_pretrained, network_of, remember
from skinseg.names import near_matches, split_name
from skinseg.pretrained import PretrainedCfg, get_pretrained_cfg
from skinseg.record_fields import check_fields
from skinseg.registry import is_model

# Before the name of a folder or a repository of weights.
_PLACES = ("local-dir:", "hf-hub:", "hf_hub:")


@overload
def create_model(
    model_name: str | os.PathLike[str],
    pretrained: bool = False,
    *,
    pretrained_cfg_overlay: Mapping[str, Any] | None = None,
    checkpoint_path: str | os.PathLike[str] | None = None,
    features_only: Literal[False] = False,
    out_indices: None = None,
    force_download: bool = False,
    **kwargs: Any,
) -> SegmentationModel: ...


@overload
def create_model(
    model_name: str | os.PathLike[str],
    pretrained: bool = False,
    *,
    pretrained_cfg_overlay: Mapping[str, Any] | None = None,
    checkpoint_path: str | os.PathLike[str] | None = None,
    features_only: Literal[True],
    out_indices: int | Sequence[int] | None = None,
    force_download: bool = False,
    **kwargs: Any,
) -> FeaturePyramid: ...


@overload
def create_model(
    model_name: str | os.PathLike[str],
    pretrained: bool = False,
    *,
    pretrained_cfg_overlay: Mapping[str, Any] | None = None,
    checkpoint_path: str | os.PathLike[str] | None = None,
    features_only: bool,
    out_indices: int | Sequence[int] | None = None,
    force_download: bool = False,
    **kwargs: Any,
) -> SegmentationModel | FeaturePyramid: ...


def create_model(
    model_name: str | os.PathLike[str],
    pretrained: bool = False,
    *,
    pretrained_cfg_overlay: Mapping[str, Any] | None = None,
    checkpoint_path: str | os.PathLike[str] | None = None,
    features_only: bool = False,
    out_indices: int | Sequence[int] | None = None,
    force_download: bool = False,
    **kwargs: Any,
) -> SegmentationModel | FeaturePyramid:
    """Create a segmentation network.

    Args:
        model_name: ``arch``, ``arch.tag``, ``hf-hub:org/name[@revision]``, ``local-dir:path``, or
            ``best``, the bundled weights of the highest score. The last three always come with
            their weights. ``smp:ARCH`` and ``timm:ARCH`` are networks
            of segmentation_models_pytorch and timm, where these are installed, made by their own
            ``create_model`` from ``**kwargs``, with random weights unless the arguments say
            otherwise; they can be saved and published as ours.
        pretrained: Load the weights of the tag, or of the architecture's default. Bundled
            files need no network; their hash is checked. Where ``num_classes`` differs from the
            weights', the head is new; where ``in_chans`` does, the first convolution is adapted.
        pretrained_cfg_overlay: Fields of the weight record to replace, such as
            ``dict(file="mine.safetensors")``.
        checkpoint_path: File of weights to load instead, in this package's names or the authors'.
        features_only: Return the encoder alone, whose ``forward`` gives a list of feature maps.
        out_indices: Which feature maps, or how many of the deepest; with ``features_only``.
        force_download: Fetch files of the Hub though they are in the cache, as after one of them
            was damaged there.
        **kwargs: The architecture's arguments (``num_classes``, ``in_chans``, ...); these two may
            be None for the default, as in timm.

    Returns:
        The network, in training mode as every new module.

    Raises:
        ValueError: If name, tag or an argument's value is wrong, or weights do not fit.
        TypeError: If the architecture does not take an argument, or ``pretrained`` is no bool.

    Example:
        >>> import torch
        >>> net = create_model("malunet", num_classes=2).eval()
        >>> net(torch.randn(1, 3, 96, 128)).shape
        torch.Size([1, 2, 96, 128])
        >>> encoder = create_model("malunet", features_only=True, out_indices=(1, 3))
        >>> [tuple(f.shape) for f in encoder(torch.randn(1, 3, 64, 64))]
        [(1, 16, 16, 16), (1, 32, 4, 4)]
    """
    model_name, kwargs = os.fspath(model_name), _plain(kwargs)
    if is_library_name(model_name):
        kwargs = _library_arguments(model_name, pretrained, features_only, out_indices, kwargs)
        return _of_library(model_name, kwargs, pretrained_cfg_overlay, checkpoint_path)
    if out_indices is not None and not features_only:
        raise TypeError("out_indices goes with features_only=True")
    if not isinstance(pretrained, bool):
        raise TypeError(
            f"pretrained must be True or False, not {pretrained!r}; name weights with the network, "
            'as create_model("malunet.isic2017", pretrained=True), or a file of weights with '
            "checkpoint_path="
        )
    if checkpoint_path is not None and (pretrained or _names_weights(model_name)):
        raise ValueError(
            f"there are two sources of weights for {model_name!r}: pass either "
            "pretrained=True, which the names best, local-dir:... and hf-hub:... imply, or "
            "checkpoint_path, not both"
        )
    how = hub.Fetching(force_download=force_download)
    cfg, pretrained = _resolve(model_name, pretrained, how)
    if pretrained_cfg_overlay:
        cfg = _overlay(cfg, model_name, pretrained_cfg_overlay)
    if pretrained and cfg is None:
        raise ValueError(f"there are no weights for {model_name}; see skinseg.list_pretrained()")
    weights = cfg if pretrained else None
    arch = cfg.architecture if cfg else model_name
    # A folder or a repository is of anybody; what the caller replaces in its record is theirs.
    if weights is not None and ":" in model_name and not pretrained_cfg_overlay:
        model = network_of(weights, kwargs)
    else:
        arguments = {**(weights.model_args if weights else {}), **kwargs}
        model = build_network(arch, arguments, weights.surgery if weights else ())
        if weights is not None:
            cfg = load_pretrained(model, weights, how)
        elif checkpoint_path is not None:
            load_checkpoint(model, checkpoint_path)
        remember(model, arch, arguments, cfg)
    if features_only and is_library_name(arch):
        raise TypeError(f"features_only=True is for networks of this package, not {arch}")
    if features_only:
        if not hasattr(model, "feature_info"):
            raise TypeError(f"{arch} has no feature maps; leave features_only out")
        return FeaturePyramid(
            model.encoder,
            model.feature_info,
            out_indices,
            in_chans=getattr(model, "in_chans", None),  # A network of the user's may not tell.
            pretrained_cfg=model.pretrained_cfg,
        )
    return model


def _plain(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments with Python's numbers for numpy's, which records could not hold."""
    plain = {key: v.item() if isinstance(v, np.generic) else v for key, v in kwargs.items()}
    # Of other arguments None is a choice, as of MALUNet's bridge.
    return {k: v for k, v in plain.items() if v is not None or k not in ("in_chans", "num_classes")}


def _names_weights(name: str) -> bool:
    """Whether a name stands for weights, which are loaded whatever ``pretrained`` is."""
    return name == "best" or name.startswith(_PLACES)


def _resolve(name: str, pretrained: bool, how: hub.Fetching) -> tuple[PretrainedCfg | None, bool]:
    if name.startswith(_PLACES):
        scheme, _, place = name.partition(":")
        folder = scheme == "local-dir"
        return (hub.read_local_dir(place) if folder else hub.download(place, how)), True
    if name == "best":
        return get_pretrained_cfg(name), True
    # A name comes before a folder of that name, but "malunet.pth" is not weights called pth.
    if not is_model(name) or name.lower().endswith(hub.WEIGHTS_SUFFIXES):
        hint = hub.near_miss(name)
        if hint is not None:
            raise ValueError(hint)
    return get_pretrained_cfg(name), pretrained


def _overlay(cfg: PretrainedCfg | None, name: str, overlay: Mapping[str, Any]) -> PretrainedCfg:
    arch, tag = split_name(name)
    cfg = cfg or PretrainedCfg(architecture=arch, tag=tag)
    known = {field.name for field in dataclasses.fields(cfg)}
    for key in overlay:
        if key not in known:
            raise TypeError(
                f"pretrained_cfg_overlay has no field {key!r}; {near_matches(key, known)}"
            )
    overlay = {k: os.fspath(v) if isinstance(v, os.PathLike) else v for k, v in overlay.items()}
    check_fields(overlay, "pretrained_cfg_overlay")
    if overlay.get("file") is not None:
        overlay["file"] = os.path.expanduser(overlay["file"])
    # The record's hash is that of the record's file, not of the one that replaces it.
    unhashed = {"sha256": None} if "file" in overlay else {}
    return dataclasses.replace(cfg, **{**unhashed, **overlay})


def _library_arguments(
    name: str,
    pretrained: bool,
    features_only: bool,
    out_indices: int | Sequence[int] | None,
    kwargs: dict[str, Any],
) -> dict[str, Any]:
    """What of our own arguments is timm's as well; smp has other names for the same."""
    asked = {
        "pretrained": pretrained or None,
        "features_only": features_only or None,
        "out_indices": out_indices,
    }
    given = {key: value for key, value in asked.items() if value is not None}
    if given and not name.startswith("timm:"):
        raise TypeError(
            f"{name} takes no argument {next(iter(given))!r}; encoder_weights= names its weights"
        )
    return {**kwargs, **given}


def _of_library(
    name: str,
    arguments: dict[str, Any],
    overlay: Mapping[str, Any] | None,
    checkpoint_path: str | os.PathLike[str] | None,
) -> SegmentationModel:
    """Make a network of another library."""
    if overlay:
        raise TypeError(f"there is no record of weights of {name} to overlay")
    model = build_network(name, arguments)
    if checkpoint_path is not None:
        load_checkpoint(model, checkpoint_path)
    remember(model, name, arguments, None)
    return model
