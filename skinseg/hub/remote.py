"""Networks from the Hugging Face Hub, or from the client's cache of it."""

import dataclasses
import os
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fetching:
    """How files are fetched; the names are those of ``huggingface_hub.hf_hub_download``.

    Attributes:
        cache_dir: Folder of the cache, in place of the client's.
        token: Token, in place of that of ``HF_TOKEN`` or of ``hf auth login``; False for none.
        force_download: Fetch the files though they are in the cache.
        local_files_only: Take them from the cache alone.
    """

    cache_dir: str | os.PathLike[str] | None = None
    token: str | bool | None = None
    force_download: bool = False
    local_files_only: bool = False


AS_USUAL = Fetching()


def download(repo: str, how: Fetching = AS_USUAL) -> PretrainedCfg:
    """Fetch config and weights of a Hub repository, or take them from the local cache.

    Args:
        repo: ``org/name`` or ``org/name@revision``.
        how: Cache, token and the like.

    Returns:
        The record, with its file. Whether the file is that of the record's hash is checked when
        it is loaded.

    Raises:
        HubError: If the repository or the network is out of reach and the cache is empty.
        CheckpointError: If the repository claims to hold weights that are known here by name,
            but with another hash.
        ValueError: If the name is malformed, or the config cannot be read.
    """
    config = Path(_fetch(repo, CONFIG_NAME, how))
    cfg = check_known(read_config(config, f"hf-hub:{repo}: {CONFIG_NAME}"), f"hf-hub:{repo}")
    # In the cache a file is in a folder named by its commit. The weights must be of the same
    # one, though a new one may appear between the two requests.
    commit = config.parent.name
    weights = _fetch(f"{repo.partition('@')[0]}@{commit}", WEIGHTS_NAME, how)
    return dataclasses.replace(cfg, file=weights, hf_hub_id=repo)


def download_weights(cfg: PretrainedCfg, how: Fetching = AS_USUAL) -> PretrainedCfg:
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
    return dataclasses.replace(cfg, file=_fetch(cfg.hf_hub_id, WEIGHTS_NAME, how))


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


def _fetch(repo: str, filename: str, how: Fetching) -> str:
    repo_id, _, revision = repo.partition("@")
    named = revision or None
    with hub_errors(repo, f"{filename} cannot be fetched"):
        cache = None if how.cache_dir is None else os.fspath(how.cache_dir)
        held = try_to_load_from_cache(repo_id, filename, cache_dir=cache, revision=named)
        if not isinstance(held, str) and not how.local_files_only:
            _reach(hf_hub_url(repo_id, filename, revision=named), how.token)
        return hf_hub_download(
            repo_id,
            filename,
            revision=named,
            library_name="skinseg",
            cache_dir=cache,
            token=how.token,
            force_download=how.force_download,
            local_files_only=how.local_files_only,
        )


def _reach(url: str, token: str | bool | None) -> None:
    """Ask for a file once, so that what is out of reach fails at once.

    For a file that is not in the cache the client itself tries for half a minute, and prints each
    try. That is right where a server answers that it is busy, and it goes on to do so then.
    """
    try:
        get_hf_file_metadata(url, token=token, library_name="skinseg")
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status != 429 and status < 500:
            raise
