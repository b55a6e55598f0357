"""A network in a folder: its record as ``config.json``, its weights as ``model.safetensors``."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

from safetensors.torch import save

from skinseg.checkpoint import StateDict
from skinseg.errors import CheckpointError
from skinseg.files import write_atomically, write_json
from skinseg.pretrained import PretrainedCfg, file_hash
from skinseg.record_fields import check_depth

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
# The records of this package have some thousands.
MOST_BYTES = 2**20


def read_local_dir(folder: str | os.PathLike[str]) -> PretrainedCfg:
    """Read the record of a folder that holds ``config.json`` and ``model.safetensors``.

    Raises:
        ValueError: If one of the two is missing, or the config cannot be read.
    """
    folder = Path(folder).expanduser()
    if folder.is_file():
        raise ValueError(
            f"local-dir:{folder} is a file; name its folder: local-dir:{folder.parent}"
        )
    for name in (CONFIG_NAME, WEIGHTS_NAME):
        if not (folder / name).is_file():
            raise ValueError(
                f"local-dir:{folder} has no {name}; it needs both {CONFIG_NAME} and {WEIGHTS_NAME}"
            )
    cfg = read_config(folder / CONFIG_NAME, str(folder / CONFIG_NAME))
    return dataclasses.replace(cfg, file=str(folder / WEIGHTS_NAME))


def read_config(path: Path, source: str) -> PretrainedCfg:
    """Read ``config.json``; ``source`` is what errors call it.

    Raises:
        CheckpointError: If it is no JSON.
        ValueError: If it is no JSON object, far larger or deeper than any record, has an unknown
            key or a value of a wrong kind, or names no architecture.
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ValueError(f"it has {size:,} bytes, and a record at most {MOST_BYTES:,}")
        record = json.loads(path.read_text(encoding="utf-8"))
        check_depth(record, "it")
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{source} is not readable JSON: {error}") from error
    if not isinstance(record, dict):
        raise ValueError(f"{source} must hold a JSON object, not {type(record).__name__}")
    return PretrainedCfg.from_dict(record, source)


def write_local_dir(
    folder: str | os.PathLike[str], cfg: PretrainedCfg, state: StateDict | None = None
) -> None:
    """Write ``config.json``, and before it ``model.safetensors`` where weights are given.

    Args:
        folder: Existing folder.
        cfg: Record to write; its hash is filled in where weights are given.
        state: Weights by name.
    """
    folder = Path(folder)
    if state is not None:
        write_weights(folder, state)
        cfg = dataclasses.replace(cfg, sha256=file_hash(folder / WEIGHTS_NAME))
    write_json(folder / CONFIG_NAME, cfg.to_dict())


def write_weights(folder: Path, state: StateDict) -> None:
    """Write ``model.safetensors`` into an existing folder, from weights by name."""
    write_atomically(folder / WEIGHTS_NAME, lambda path: path.write_bytes(_serialized(state)))


def weights_hash(state: StateDict) -> str:
    """Return the sha256 that the file of :func:`write_weights` would have."""
    return hashlib.sha256(_serialized(state)).hexdigest()


def _serialized(state: StateDict) -> bytes:
    # Copies, since safetensors refuses tensors that share memory.
    return save({key: value.detach().cpu().contiguous().clone() for key, value in state.items()})
