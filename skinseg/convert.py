"""Checkpoints of the authors' code into folders of this package, recognized by their weights."""

import os
import re
from pathlib import Path
from string import Formatter

from skinseg.checkpoint import StateDict, fill, read_state_dict
from skinseg.errors import CheckpointError
from skinseg.factory import create_model
from skinseg.hub import read_local_dir, save_pretrained
from skinseg.models.authors import AuthorsCode
from skinseg.models.base import SegmentationModel
from skinseg.pretrained import PretrainedCfg, file_hash
from skinseg.registry import is_model, model_class, model_names

_LIMITATIONS = (
    "Converted from a checkpoint that does not say what it was trained on, nor how well it does; "
    "nothing of it was measured here. The size and preparation of its input are those of the "
    "authors' published code, and may differ from those of this training."
)


def convert_checkpoint(
    checkpoint: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    architecture: str | None = None,
) -> PretrainedCfg:
    """Write a folder for ``local-dir:`` from a ``.pth`` file of the authors' code.

    The names of the weights show which network it is; their shapes show its channels, its classes
    and LMSAUNet's N. The record says that the training is unknown, and prepares images as the
    authors' code does: stretched by their own minimum and maximum to 0..255 at 256x256 (MALUNet,
    EGE-UNet, UltraLight VM-UNet), or with ImageNet's mean and standard deviation at 224x224
    (LMSAUNet; the U-Net, DeepLabV3 and BiSeNet of its comparison).

    Args:
        checkpoint: State dict, or a dictionary with one under ``model_state_dict``; opened
            without running any code in it.
        folder: Made here; must not exist, or be empty.
        architecture: Registered name of the network, instead of recognizing it.

    Returns:
        The record.

    Raises:
        CheckpointError: If the file cannot be read, is of no known network, does not fit it
            weight by weight, or holds a NaN.
        FileExistsError: If the folder has something in it.
        ValueError: If there is no such architecture, or its authors published no checkpoint.

    Example:
        >>> convert_checkpoint("best.pth", "egeunet_authors")  # doctest: +SKIP
    """
    checkpoint, folder = Path(checkpoint).expanduser(), Path(folder).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists already; choose another folder, or remove it")
    state = read_state_dict(checkpoint)
    _refuse_nan(state, checkpoint)
    family, code = (
        _recognize(state, checkpoint) if architecture is None else _family_of(architecture)
    )
    ours = _in_our_names(family, state)
    try:
        arguments = code.arguments(ours)
    except KeyError as error:
        raise CheckpointError(
            f"{checkpoint} is no whole checkpoint of {family.__name__}: no weight in it "
            f"belongs at {error}"
        ) from error
    except (IndexError, TypeError) as error:
        raise CheckpointError(
            f"{checkpoint} has weights of other dimensions than {family.__name__}: {error}"
        ) from error
    if architecture is None:
        architecture = code.architecture
        variant = code.variant.format(**arguments) if code.variant else architecture
        architecture = variant if is_model(variant) else architecture
    else:
        # What a name stands for is not to be changed by an argument beside it.
        fixed = {field for _, field, _, _ in Formatter().parse(code.variant or "")}
        arguments = {key: value for key, value in arguments.items() if key not in fixed}
    network = create_model(architecture, **arguments)
    fill(network, ours, str(checkpoint))
    save_pretrained(network, folder, record=_record(network, code, checkpoint))
    return read_local_dir(folder)


def _refuse_nan(state: StateDict, checkpoint: Path) -> None:
    broken = [
        key for key, value in state.items() if value.is_floating_point() and value.isnan().any()
    ]
    if broken:
        raise CheckpointError(
            f"{checkpoint} has NaN in {broken[0]!r} and {len(broken) - 1} other weights: its "
            "training broke down; take the checkpoint of an earlier epoch"
        )


Family = tuple[type[SegmentationModel], AuthorsCode]


def _families() -> list[Family]:
    """Return the classes of networks whose authors' checkpoints can be recognized, and how."""
    classes = {model_class(name) for name in model_names()}
    known = [
        (family, family.authors_code)
        for family in classes
        if family is not None and issubclass(family, SegmentationModel) and family.authors_code
    ]
    return sorted(known, key=lambda entry: entry[0].__name__)


def _family_names() -> str:
    *most, last = (family.__name__ for family, _ in _families())
    return f"{', '.join(most)} and {last}"


def _recognize(state: StateDict, checkpoint: Path) -> Family:
    for family, code in _families():
        if any(re.match(code.signature, key) for key in state):
            return family, code
    raise CheckpointError(
        f"{checkpoint} is of no network that can be recognized: its first weight is called "
        f"{next(iter(state))!r}, and {_family_names()} of their authors' code have other names. "
        "Say which network it is, if it is one of them"
    )


def _family_of(architecture: str) -> Family:
    asked = model_class(architecture)
    for family, code in _families():
        if family is asked:
            return family, code
    raise ValueError(
        f"{architecture} is none of {_family_names()}, whose authors' checkpoints are known; save "
        "the network with save_pretrained, or load the file with checkpoint_path="
    )


def _in_our_names(family: type[SegmentationModel], state: StateDict) -> StateDict:
    is_ours = f"{family.first_conv}.weight" in state
    return state if is_ours else family.convert_authors_weights(state)


def _record(network: SegmentationModel, code: AuthorsCode, checkpoint: Path) -> PretrainedCfg:
    return PretrainedCfg(
        architecture=network.architecture,
        input_size=(network.in_chans, code.input_size, code.input_size),
        normalization=code.normalization,
        training_data={
            "source": f"unknown; the weights are converted from {checkpoint.name}",
            "checkpoint_sha256": file_hash(checkpoint),
        },
        limitations=_LIMITATIONS,
    )
