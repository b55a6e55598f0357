"""Networks from the Hugging Face Hub, or from the client's cache of it."""

import dataclasses
from pathlib import Path

from huggingface_hub import (
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import HfHubHTTPError

from skinseg.errors import CheckpointError
from skinseg.hub.errors import hub_errors
from skinseg.hub.local_dir import CONFIG_NAME, WEIGHTS_NAME, read_config
from skinseg.pretrained import PretrainedCfg, get_pretrained_cfg, list_pretrained


def download(repo: str) -> PretrainedCfg:
    """Fetch config and weights of a Hub repository, or take them from the local cache.

    Args:
        repo: ``org/name`` or ``org/name@revision``.

    Returns:
        The record, with its file. Whether the file is that of the record's hash is checked when
        it is loaded.

    Raises:
        HubError: If the repository or the network is out of reach and the cache is empty.
        CheckpointError: If the repository claims to hold weights that are known here by name,
            but with another hash.
        ValueError: If the name is malformed, or the config cannot be read.
    """
    config = Path(_fetch(repo, CONFIG_NAME))
    cfg = check_known(read_config(config, f"hf-hub:{repo}: {CONFIG_NAME}"), f"hf-hub:{repo}")
    # In the cache a file is in a folder named by its commit. The weights must be of the same
    # one, though a new one may appear between the two requests.
    commit = config.parent.name
    weights = _fetch(f"{repo.partition('@')[0]}@{commit}", WEIGHTS_NAME)
    return dataclasses.replace(cfg, file=weights, hf_hub_id=repo)


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


def check_known(cfg: PretrainedCfg, source: str) -> PretrainedCfg:
    """Hold weights to the hash of this package's record, where they bear the name of one.

    Args:
        cfg: Record that came with weights.
        source: What errors call it.

    Returns:
        The record, with the known hash where it had none.

    Raises:
        CheckpointError: If the record has the name of a known one, and another hash.
    """
    if not cfg.tag or cfg.name not in list_pretrained(cfg.name):
        return cfg
    known = get_pretrained_cfg(cfg.name)
    if known is None or known.sha256 is None or known.sha256 == cfg.sha256:
        return cfg
    if cfg.sha256 is None:
        return dataclasses.replace(cfg, sha256=known.sha256)
    raise CheckpointError(
        f"{source} says that it holds {cfg.name}, but its weights are others: the sha256 in its "
        f"{CONFIG_NAME} is {cfg.sha256}, that of {cfg.name} is {known.sha256}. Other weights "
        "need another tag"
    )


def _fetch(repo: str, filename: str) -> str:
    repo_id, _, revision = repo.partition("@")
    named = revision or None
    with hub_errors(repo, f"{filename} cannot be fetched"):
        if not isinstance(try_to_load_from_cache(repo_id, filename, revision=named), str):
            _reach(hf_hub_url(repo_id, filename, revision=named))
        return hf_hub_download(repo_id, filename, revision=named, library_name="skinseg")


def _reach(url: str) -> None:
    """Ask for a file once, so that what is out of reach fails at once.

    For a file that is not in the cache the client itself tries for half a minute, and prints each
    try. That is right where a server answers that it is busy, and it goes on to do so then.
    """
    try:
        get_hf_file_metadata(url, library_name="skinseg")
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status != 429 and status < 500:
            raise
