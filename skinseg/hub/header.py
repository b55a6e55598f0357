"""A network of a record against the header of its file of weights, before memory is taken."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn
from torch.nn.modules import module as torch_module

from skinseg.checkpoint import StateDict, misfit, state_differences
from skinseg.errors import CheckpointError
from skinseg.hub.origin import build, needs_memory
from skinseg.pretrained import PretrainedCfg

FETCH_AGAIN = "fetch it again: delete it, or load the network with force_download=True"
# How much larger than its file a network may become while it is built: some throw parts away, and
# a user may ask for more channels or classes.
_TIMES, _PARTS, _NUMBERS = 4, 1_000, 4_000_000
# Channels, layers, sides of images.
_LARGEST = 100_000


def read_header(cfg: PretrainedCfg) -> StateDict:
    """Return the shapes of the weights in a record's file, as tensors without memory.

    Raises:
        CheckpointError: If it is no safetensors file.
    """
    assert cfg.file is not None, "a record of a folder or a repository has a file"
    try:
        with safe_open(cfg.file, framework="pt") as file:
            return {
                name: torch.empty(file.get_slice(name).get_shape(), device="meta")
                for name in list(file.keys())
            }
    except (SafetensorError, OSError) as error:
        again = "copy it again" if cfg.hf_hub_id is None else FETCH_AGAIN
        raise CheckpointError(
            f"{cfg.file} is not a readable safetensors file ({error}); {again}"
        ) from error


def check_header(cfg: PretrainedCfg, header: StateDict, changes: dict[str, Any]) -> None:
    """Build a record's network without memory and compare it with the header of its file.

    Args:
        cfg: The record.
        header: What :func:`read_header` says of its file.
        changes: Arguments by which the caller's network differs from the record's.

    Raises:
        CheckpointError: If the weights of the file are not those of the network.
        ValueError, TypeError: As the network's constructor.
    """
    source = str(cfg.file)
    _refuse_large([cfg.model_args, cfg.surgery], cfg.architecture)
    try:
        with torch.device("meta"), limited(header, source):
            network = build(cfg.architecture, {**cfg.model_args, **changes}, cfg.surgery)
    except (NotImplementedError, RuntimeError):
        if needs_memory(cfg.architecture):
            return
        raise
    expected = network.state_dict()
    if not changes and expected.keys() & header.keys():
        problems = state_differences(expected, header)
        if problems:
            raise misfit(type(network).__name__, problems, source)


def _refuse_large(values: Any, what: str) -> None:
    """Refuse what a network would count up to before it makes its first weight."""
    waiting = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            waiting += value
        elif isinstance(value, int) and abs(value) > _LARGEST:
            raise CheckpointError(
                f"the record of a {what} has the number {value:,} among its arguments, and none of "
                f"a network is beyond {_LARGEST:,}; the record is wrong, or made to do harm"
            )


@contextlib.contextmanager
def limited(header: StateDict, source: str) -> Iterator[None]:
    """Stop the making of a network that outgrows a file of weights.

    Raises:
        CheckpointError: If it has many more weights, numbers or parts than the file.
    """
    parts = _TIMES * len(header) + _PARTS
    numbers = _TIMES * sum(shape.numel() for shape in header.values()) + _NUMBERS
    made = {"weights": 0, "numbers": 0, "parts": 0}
    # The hooks hear of the modules that other threads make, too.
    own_thread = threading.get_ident()

    def check() -> None:
        if made["weights"] > parts or made["parts"] > 5 * parts or made["numbers"] > numbers:
            raise CheckpointError(
                f"the network that the record of {source} describes is far larger than its file of "
                f"weights, which has {len(header):,}; the record is wrong, or made to do harm"
            )

    def weight(module: nn.Module, name: str, param: nn.Parameter | None) -> None:
        if param is not None and threading.get_ident() == own_thread:
            made["weights"] += 1
            made["numbers"] += param.numel()
            check()

    def part(module: nn.Module, name: str, submodule: nn.Module | None) -> None:
        if threading.get_ident() == own_thread:
            made["parts"] += 1
            check()

    handles = [
        torch_module.register_module_parameter_registration_hook(weight),
        torch_module.register_module_module_registration_hook(part),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
