"""A folder or a repository of the Hub, told apart as ``from_pretrained`` does."""

import os
from pathlib import Path

from skinseg.hub.local_dir import read_local_dir
from skinseg.hub.remote import Fetching, download
from skinseg.pretrained import PretrainedCfg


def open_place(place: str | os.PathLike[str], revision: str | None, how: Fetching) -> PretrainedCfg:
    """Read the record of a network in a folder or in a repository.

    Args:
        place: The folder, or ``org/name`` or ``org/name@revision``.
        revision: Branch, tag or commit of the repository.
        how: Cache, token and the like.

    Returns:
        The record, with its file.

    Raises:
        HubError: If the repository or the network is out of reach and the cache is empty.
        CheckpointError: As :func:`download`.
        ValueError: If it is neither, the config cannot be read, or a revision is of no use.
    """
    name = os.fspath(place)
    if Path(name).expanduser().is_dir():
        if revision is not None:
            raise ValueError(f"{name} is a folder, which has no revision {revision!r}")
        return read_local_dir(name)
    repo_id, _, given = name.partition("@")
    if not is_repo_id(repo_id):
        raise ValueError(
            f"{name!r} is neither a folder here nor org/name, a repository of the Hub; "
            "skinseg.create_model takes names of networks and weights"
        )
    if revision is not None and given:
        raise ValueError(f"{name!r} names a revision already, and revision={revision!r} another")
    return download(f"{repo_id}@{given or revision}" if given or revision else repo_id, how)


def is_repo_id(name: str) -> bool:
    """Tell whether a name has the form of a repository's, ``org/name``.

    Example:
        >>> is_repo_id("org/name"), is_repo_id("name"), is_repo_id("org/")
        (True, False, False)
    """
    return name.count("/") == 1 and all(name.split("/"))
