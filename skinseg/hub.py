"""Networks in folders and on the Hugging Face Hub: ``config.json`` and ``model.safetensors``."""

import dataclasses
import json
import os
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)
from safetensors.torch import save_file

from skinseg.checkpoint import StateDict
from skinseg.files import write_atomically, write_json
from skinseg.pretrained import PretrainedCfg, file_hash

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"


class HubError(OSError):
    """A file of a Hub repository that cannot be had."""


def read_local_dir(folder: str | os.PathLike[str]) -> PretrainedCfg:
    """Read the record of a folder that holds ``config.json`` and ``model.safetensors``.

    Raises:
        ValueError: If one of the two is missing, or the config cannot be read.
    """
    folder = Path(folder).expanduser()
    for name in (CONFIG_NAME, WEIGHTS_NAME):
        if not (folder / name).is_file():
            raise ValueError(
                f"local-dir:{folder} has no {name}; it needs both {CONFIG_NAME} and {WEIGHTS_NAME}"
            )
    return _read_config(folder / CONFIG_NAME, folder / WEIGHTS_NAME)


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
        weights = {key: value.cpu().contiguous() for key, value in state.items()}
        write_atomically(folder / WEIGHTS_NAME, lambda temporary: save_file(weights, temporary))
        cfg = dataclasses.replace(cfg, sha256=file_hash(folder / WEIGHTS_NAME))
    write_json(folder / CONFIG_NAME, cfg.to_dict())


def download(repo: str) -> PretrainedCfg:
    """Fetch config and weights of a Hub repository, or take them from the local cache.

    Args:
        repo: ``org/name`` or ``org/name@revision``.

    Raises:
        HubError: If the repository or the network is out of reach and the cache is empty.
        ValueError: If the name is malformed, or the config cannot be read.
    """
    return _read_config(
        Path(_fetch(repo, CONFIG_NAME)), Path(_fetch(repo, WEIGHTS_NAME)), hub_id=repo
    )


def download_weights(cfg: PretrainedCfg) -> PretrainedCfg:
    """Return the record with its weight file fetched from its Hub repository.

    Raises:
        HubError: If the repository or the network is out of reach and the cache is empty.
        ValueError: If the record names no repository.
    """
    if cfg.hf_hub_id is None:
        raise ValueError(
            f"the weights {cfg.name} are known, but neither bundled nor published on the Hub; "
            "pass pretrained_cfg_overlay=dict(file=...) if you have them"
        )
    return dataclasses.replace(cfg, file=_fetch(cfg.hf_hub_id, WEIGHTS_NAME))


def _fetch(repo: str, filename: str) -> str:
    repo_id, _, revision = repo.partition("@")
    try:
        return hf_hub_download(repo_id, filename, revision=revision or None, library_name="skinseg")
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise HubError(
            f"hf-hub:{repo}: {filename} cannot be fetched: {error} Check the repository's name "
            "and revision and the connection; a private or gated repository needs HF_TOKEN"
        ) from error
    except HFValidationError as error:
        raise ValueError(f"hf-hub:{repo} is not org/name or org/name@revision: {error}") from error


def _read_config(config: Path, weights: Path, hub_id: str | None = None) -> PretrainedCfg:
    try:
        record = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{config} is not readable JSON: {error}") from error
    cfg = PretrainedCfg.from_dict(record, str(config))
    return dataclasses.replace(cfg, file=str(weights), hf_hub_id=hub_id or cfg.hf_hub_id)
