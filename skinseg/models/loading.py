"""A network from its record: built, filled with the record's weights, adapted to what is asked."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import nn

from skinseg import hub
from skinseg.checkpoint import StateDict, adapt_channels, fill, read_state_dict
from skinseg.errors import CheckpointError
from skinseg.libraries import arguments_to_build_again, input_channels, is_library_name
from skinseg.models.base import SegmentationModel
from skinseg.models.new_head import block_prefixes, name_among_blocks
from skinseg.names import refuse_unknown, split_name
from skinseg.pretrained import PretrainedCfg, file_hash
from skinseg.registry import model_class, model_entrypoint


def network_of(cfg: PretrainedCfg, changes: Mapping[str, Any]) -> SegmentationModel:
    """Build the network of a record that came with its file, and load the file.

    The record is not believed: the network is first built without memory and compared with the
    file.

    Args:
        cfg: A record of :func:`skinseg.hub.read_local_dir` or :func:`skinseg.hub.download`.
        changes: Arguments other than the record's, such as ``num_classes``.

    Raises:
        CheckpointError: If the file is not that of the record, or does not fit the network.
        ValueError, TypeError: As :func:`build_network`.
    """
    arguments = {**cfg.model_args, **changes}
    refuse_arguments(cfg.architecture, arguments)
    header = hub.read_header(cfg)
    check_hash(cfg)
    hub.check_header(cfg, header, dict(changes))
    with hub.limited(header, str(cfg.file)):
        model = build_network(cfg.architecture, arguments, cfg.surgery)
    _fill(model, read_state_dict(str(cfg.file)), str(cfg.file))
    remember(model, cfg.architecture, arguments, cfg)
    return model


def build_network(
    arch: str, arguments: dict[str, Any], surgery: Sequence[Mapping[str, Any]] = ()
) -> SegmentationModel:
    """Build a network with random weights.

    Raises:
        ValueError: If there is no such network, or an argument's value is wrong.
        TypeError: If it does not take an argument.
    """
    refuse_arguments(arch, arguments)
    # A user may have registered another kind of module, and knows what it lacks.
    return cast(SegmentationModel, hub.build(arch, arguments, [dict(step) for step in surgery]))


def refuse_arguments(arch: str, arguments: Mapping[str, Any]) -> None:
    """Raise a TypeError if a network does not take an argument."""
    known = None if is_library_name(arch) else _accepted(arch)
    if known is not None:
        refuse_unknown(arguments, known, arch)


def _accepted(arch: str) -> set[str] | None:
    """Names of the arguments that a network takes, or None where that cannot be told."""
    parameters = inspect.signature(model_entrypoint(arch)).parameters.values()
    if all(p.kind is not p.VAR_KEYWORD for p in parameters):
        return {p.name for p in parameters}
    family = model_class(arch)
    if family is not None and issubclass(family, SegmentationModel):
        return set(inspect.signature(family).parameters)
    return None


def remember(
    model: SegmentationModel, arch: str, arguments: Mapping[str, Any], cfg: PretrainedCfg | None
) -> None:
    """Let a network know what it was made from."""
    if not is_library_name(arch):
        model.architecture = split_name(arch)[0]
        model.pretrained_cfg = cfg
        return
    again = arguments_to_build_again(arch, arguments)
    origin = hub.Origin(
        architecture=arch, model_args=again, in_chans=input_channels(again), pretrained_cfg=cfg
    )
    hub.set_origin(model, origin)
    if arch.startswith("smp:"):  # timm has these names itself.
        known = {"in_chans": origin.in_chans, "num_classes": again.get("classes", 1)}
        for name, value in {**known, "pretrained_cfg": cfg}.items():
            setattr(model, name, value)


def load_pretrained(
    model: nn.Module, cfg: PretrainedCfg, how: hub.Fetching = hub.AS_USUAL
) -> PretrainedCfg:
    """Load the weights of a record into a network, adapted to its channels and classes.

    Args:
        model: The network.
        cfg: The record.
        how: How a file of the Hub is fetched.

    Returns:
        The record, with the place of the file that was loaded.

    Raises:
        CheckpointError: If the file's hash is not the record's, or the weights do not fit.
        ValueError: If the weights are nowhere to be had.
    """
    if cfg.file is None:
        cfg = hub.download_weights(cfg, how)
    assert cfg.file is not None, "what was downloaded has a file"
    state = read_state_dict(cfg.file)
    check_hash(cfg)
    _fill(model, state, cfg.file)
    return cfg


def check_hash(cfg: PretrainedCfg) -> None:
    """Raise a CheckpointError if a record's file is there and is not that of its hash."""
    if cfg.file is None or cfg.sha256 is None:
        return
    found = file_hash(cfg.file)
    if found != cfg.sha256:
        again = "install or download it again"
        if cfg.hf_hub_id is not None:
            again = (
                f"if it was damaged in the cache, {hub.FETCH_AGAIN}; if not, the repository holds "
                "other weights than it says"
            )
        raise CheckpointError(
            f"{cfg.file} is not the file of the record {cfg.name}: its sha256 is {found}, the "
            f"record says {cfg.sha256}; {again}"
        )


def _fill(model: nn.Module, state: StateDict, source: str) -> None:
    if isinstance(model, SegmentationModel):
        _adapt(model, state)
    fill(model, state, source)


def _adapt(model: SegmentationModel, state: StateDict) -> None:
    own = model.state_dict()
    for conv in model.first_convs:
        first = f"{name_among_blocks(model, conv)}.weight"
        if first in state and state[first].shape[1] != model.in_chans:
            state[first] = adapt_channels(state[first], model.in_chans)
    heads = tuple(f"{name_among_blocks(model, name)}." for name in model.classifier)
    blocks = block_prefixes(model)
    of_classes = [
        key for key in own if key.startswith(heads) and key in state and not key.startswith(blocks)
    ]
    if any(own[key].shape[:1] != state[key].shape[:1] for key in of_classes):
        state.update({key: own[key] for key in of_classes})
