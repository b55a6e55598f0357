"""Checkpoints of the authors' code into folders of this package, recognised by their weights."""

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

from skinseg.checkpoint import CheckpointError, StateDict, fill, read_state_dict
from skinseg.factory import create_model
from skinseg.hub import read_local_dir, save_pretrained
from skinseg.models import EGEUNet, LMSAUNet, MALUNet
from skinseg.models.base import SegmentationModel
from skinseg.pretrained import PretrainedCfg, file_hash
from skinseg.registry import is_model

_IMAGENET = {
    "kind": "mean_std",
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}
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

    The network is told from the names of the weights; channels, classes and LMSAUNet's N from
    their shapes. The record says that the training is unknown, and prepares images as the
    authors' code does: stretched by their own minimum and maximum to 0..255 at 256x256 (MALUNet,
    EGE-UNet), or with ImageNet's mean and standard deviation at 224x224 (LMSAUNet).

    Args:
        checkpoint: State dict, or a dictionary with one under ``model_state_dict``; opened
            without running any code in it.
        folder: Made here; must not exist, or be empty.
        architecture: Registered name of the network, instead of recognising it.

    Returns:
        The record.

    Raises:
        CheckpointError: If the file cannot be read, is of no known network, or does not fit it
            weight by weight.
        FileExistsError: If the folder has something in it.
        ValueError: If there is no such architecture, or its authors published no checkpoint.

    Example:
        >>> convert_checkpoint("best.pth", "egeunet_authors")  # doctest: +SKIP
    """
    checkpoint, folder = Path(checkpoint), Path(folder).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists already; choose another folder, or remove it")
    state = read_state_dict(checkpoint)
    code = _recognise(state, checkpoint) if architecture is None else _code_of(architecture)
    ours = _in_our_names(code, state)
    try:
        arguments = _arguments(code.family, ours)
    except KeyError as error:
        raise CheckpointError(
            f"{checkpoint} is no whole checkpoint of {code.family.__name__}: no weight in it "
            f"belongs at {error}"
        ) from error
    except (IndexError, TypeError) as error:
        raise CheckpointError(
            f"{checkpoint} has weights of other dimensions than {code.family.__name__}: {error}"
        ) from error
    if architecture is None:
        architecture = code.architecture
        if code.family is LMSAUNet:
            arguments["compression"] = _compression(ours)
            variant = f"{architecture}_n{arguments['compression']}"
            architecture = variant if is_model(variant) else architecture
    network = create_model(architecture, **arguments)
    fill(network, ours, str(checkpoint))
    save_pretrained(network, folder, record=_record(network, code, checkpoint))
    return read_local_dir(folder)


@dataclasses.dataclass(frozen=True)
class _AuthorsCode:
    """Published code of one family.

    Attributes:
        family: Class of the network here.
        architecture: Registered name of the network here.
        signature: Pattern of weights' names that only this family has.
        size: Side of the images that it is trained on.
        normalization: How it prepares them.
    """

    family: type[SegmentationModel]
    architecture: str
    signature: str
    size: int
    normalization: dict[str, Any]


_CODES = (
    _AuthorsCode(MALUNet, "malunet", r"scab\.satt\.", 256, {"kind": "minmax", "scale": 255.0}),
    _AuthorsCode(EGEUNet, "egeunet", r"GAB\d\.", 256, {"kind": "minmax", "scale": 255.0}),
    _AuthorsCode(LMSAUNet, "lmsaunet", r"encoder\d\.\w+\.pwconv1\.", 224, _IMAGENET),
)


def _recognise(state: StateDict, checkpoint: Path) -> _AuthorsCode:
    for code in _CODES:
        if any(re.match(code.signature, key) for key in state):
            return code
    raise CheckpointError(
        f"{checkpoint} is of no network that can be recognised: its first weight is called "
        f"{next(iter(state))!r}, and {_families()} of their authors' code have other names. Say "
        "which network it is, if it is one of them"
    )


def _code_of(architecture: str) -> _AuthorsCode:
    network = create_model(architecture)
    for code in _CODES:
        if isinstance(network, code.family):
            return code
    raise ValueError(
        f"{architecture} is none of {_families()}, whose authors' checkpoints are known; save the "
        "network with save_pretrained, or load the file with checkpoint_path="
    )


def _families() -> str:
    *most, last = (code.family.__name__ for code in _CODES)
    return f"{', '.join(most)} and {last}"


def _in_our_names(code: _AuthorsCode, state: StateDict) -> StateDict:
    is_ours = f"{code.family.first_conv}.weight" in state
    return state if is_ours else code.family.convert_authors_weights(state)


def _arguments(family: type[SegmentationModel], ours: StateDict) -> dict[str, Any]:
    """The constructor's arguments, as the shapes have them."""
    return {
        "in_chans": ours[f"{family.first_conv}.weight"].shape[1],
        "num_classes": len(ours["head.weight"]),
        "channels": _channels(family, ours),
    }


def _channels(family: type[SegmentationModel], ours: StateDict) -> list[int]:
    if family is LMSAUNet:
        return [len(ours[f"encoder.stages.{level}.expand.conv.weight"]) for level in range(4)]
    widths = [len(ours[f"encoder.stages.{stage}.norm.weight"]) for stage in range(5)]
    # The sixth stage has no norm; its width is what the first layers behind it take.
    if family is EGEUNet:
        return [*widths, ours["gabs.0.reduce.weight"].shape[1]]
    first = (
        "decoder.0.block.0" if "decoder.0.block.0.shortcut.weight" in ours else "decoder.0.block.1"
    )
    return [*widths, ours[f"{first}.shortcut.weight"].shape[1]]


def _compression(ours: StateDict) -> int:
    """N of LMSAUNet: an ECDF block has (N - 2) / 2 units in its cascade."""
    unit = re.compile(r"encoder\.stages\.0\.cascade\.\d+\.conv\.weight")
    return 2 * sum(unit.fullmatch(key) is not None for key in ours) + 2


def _record(network: SegmentationModel, code: _AuthorsCode, checkpoint: Path) -> PretrainedCfg:
    return PretrainedCfg(
        architecture=network.architecture,
        input_size=(network.in_chans, code.size, code.size),
        normalization=code.normalization,
        training_data={
            "source": f"unknown; the weights are converted from {checkpoint.name}",
            "checkpoint_sha256": file_hash(checkpoint),
        },
        limitations=_LIMITATIONS,
    )
