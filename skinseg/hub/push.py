"""Networks to the Hugging Face Hub."""

import tempfile
from pathlib import Path

from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi
from torch import nn

from skinseg.hub.errors import hub_errors
from skinseg.hub.local_dir import CONFIG_NAME, WEIGHTS_NAME, read_local_dir
from skinseg.hub.place import is_repo_id
from skinseg.hub.remote import check_known
from skinseg.hub.save import CARD_NAME, save_for
from skinseg.pretrained import PretrainedCfg


def push_to_hub(
    model: nn.Module,
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    commit_message: str | None = None,
    record: PretrainedCfg | None = None,
) -> CommitInfo:
    """Publish a network on the Hugging Face Hub: config, weights and model card, in one commit.

    What is uploaded is what :meth:`~skinseg.models.SegmentationModel.save_pretrained` writes into
    a folder; look there first.

    Args:
        model: A network of :func:`skinseg.create_model`, or of segmentation_models_pytorch; blocks
            that :mod:`skinseg.surgery` put into it go with it.
        repo_id: ``org/name``; the repository is made if there is none. Its ``config.json``,
            ``model.safetensors`` and ``README.md`` are replaced.
        private: Whether a new repository is private; None leaves that to the account's settings.
        revision: Branch to commit to, made if there is none; the main branch by default.
        token: Token that may write; that of ``HF_TOKEN`` or of ``hf auth login`` by default.
        commit_message: What the history says; the network's name by default.
        record: What is known of the weights, in place of ``model.pretrained_cfg``. Architecture,
            arguments, number of parameters and hash are filled in.

    Returns:
        The commit: ``commit_url``, ``oid``, ...

    Raises:
        HubError: If the Hub refuses, or cannot be reached.
        CheckpointError: If the record has the name of known weights, and these are others.
        ValueError: If ``repo_id`` is not ``org/name``.
        TypeError: If the model is not one of :func:`skinseg.create_model`.

    Example:
        >>> import skinseg
        >>> net = skinseg.create_model("egeunet", pretrained=True)
        >>> skinseg.push_to_hub(net, "org/egeunet-isic2017")  # doctest: +SKIP
    """
    with tempfile.TemporaryDirectory() as folder:
        files = files_for_hub(model, repo_id, Path(folder), record)
        with hub_errors(repo_id, "cannot be published"):
            # Made here, so that HF_ENDPOINT and the like count as they are now.
            api = HfApi(library_name="skinseg", token=token)
            api.create_repo(repo_id, private=private, exist_ok=True)
            if revision is not None:
                api.create_branch(repo_id, branch=revision, exist_ok=True)
            return api.create_commit(
                repo_id,
                [CommitOperationAdd(path_in_repo=f.name, path_or_fileobj=f) for f in files],
                commit_message=commit_message or f"Upload {read_local_dir(folder).name}",
                revision=revision,
            )


def files_for_hub(
    model: nn.Module, repo_id: str, folder: Path, record: PretrainedCfg | None = None
) -> list[Path]:
    """Write the files that :func:`push_to_hub` sends, and send nothing.

    Returns:
        Their paths.

    Raises:
        CheckpointError, ValueError, TypeError: As :func:`push_to_hub`.
    """
    if not is_repo_id(repo_id):
        raise ValueError(
            f"{repo_id!r} is not org/name: your account or organization on the Hub, a slash, and "
            "a name for the repository"
        )
    save_for(model, folder, f"hf-hub:{repo_id}", record)
    check_known(read_local_dir(folder), "the record")
    return [folder / name for name in (CONFIG_NAME, WEIGHTS_NAME, CARD_NAME)]
