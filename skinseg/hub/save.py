"""Networks into folders, with what may truthfully be said of their weights."""

import dataclasses
import os
import shutil
from pathlib import Path

import torch
from torch import nn

from skinseg.checkpoint import read_state_dict
from skinseg.complexity import count_parameters
from skinseg.errors import CheckpointError
from skinseg.files import write_atomically, write_text
from skinseg.hub.card import model_card
from skinseg.hub.local_dir import WEIGHTS_NAME, read_local_dir, weights_hash, write_local_dir
from skinseg.hub.origin import Origin, origin_of, rebuilt_differences, record_in
from skinseg.pretrained import PretrainedCfg, file_hash
from skinseg.surgery import Recipe, SurgeryError, recipe_of
from skinseg.surgery.recipe import steps_of
from skinseg.unwrap import unwrapped

CARD_NAME = "README.md"


def save_pretrained(
    model: nn.Module, folder: str | os.PathLike[str], *, record: PretrainedCfg | None = None
) -> None:
    """Write a network into a folder; see :meth:`skinseg.models.SegmentationModel.save_pretrained`.

    Raises:
        TypeError: If the model is not one of :func:`skinseg.create_model`.
        OSError: If the folder cannot be written to.
    """
    save_for(model, folder, "local-dir:path/to/this/folder", record)


def save_for(
    model: nn.Module, folder: str | os.PathLike[str], source: str, record: PretrainedCfg | None
) -> None:
    """Write config, weights and model card; ``source`` is the name that the card loads it by."""
    model = unwrapped(model)  # Weights are saved by the network's own names for them.
    origin = _rebuildable(model)
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    known = record_in(model)
    file = None if known is None else _file_of_weights(model, known)
    cfg = _record(origin, known, file is not None) if record is None else record
    cfg = _filled_in(cfg, origin, model, recipe_of(model))
    if known is not None and file is not None:
        # The same bytes, and so the recorded hash, whatever version of safetensors is here.
        write_atomically(folder / WEIGHTS_NAME, lambda copy: shutil.copyfile(file, copy))
        write_local_dir(folder, dataclasses.replace(cfg, sha256=known.sha256))
    else:
        write_local_dir(folder, cfg, model.state_dict())
    card = model_card(read_local_dir(folder), source)  # as written, with the hash
    write_text(folder / CARD_NAME, card)


def _filled_in(
    cfg: PretrainedCfg, origin: Origin, model: nn.Module, surgery: Recipe
) -> PretrainedCfg:
    """The record with what the network itself says."""
    return dataclasses.replace(
        cfg,
        architecture=origin.architecture,
        model_args=origin.model_args,
        surgery=surgery,
        num_params=count_parameters(model).total,
    )


def _rebuildable(model: nn.Module) -> Origin:
    """Return the network's origin; raise if the record could not build it again."""
    origin = origin_of(model)
    if origin is None:
        raise TypeError(
            f"a {type(model).__name__} cannot be saved with its config: only a whole network of "
            "skinseg.create_model, or one of segmentation_models_pytorch, can be made again by "
            "name. Save its state_dict() instead"
        )
    differences = rebuilt_differences(model)
    if differences:
        raise TypeError(
            f"this {type(model).__name__} was changed since it was created, and the network that "
            f"its config builds could not load its weights: {'; '.join(differences)}. Save its "
            "state_dict() instead"
        )
    return origin


def _record(origin: Origin, known: PretrainedCfg | None, unchanged: bool) -> PretrainedCfg:
    """What holds for these weights: all of the known record, or only how images are prepared.

    Training data, scores and the like belong to the file of the record's hash. A network that
    was trained further, got a new head, or never loaded that file has none of them.
    """
    if known is None:
        size = (origin.in_chans, 256, 256)
        return PretrainedCfg(architecture=origin.architecture, input_size=size)
    if unchanged:
        return known
    return PretrainedCfg(
        architecture=origin.architecture,
        input_size=(origin.in_chans, *known.input_size[1:]),
        normalization=known.normalization,
        threshold=known.threshold,
    )


def weights_held(model: nn.Module) -> str:
    """Tell which recorded weights a network holds, for the record of what is trained from them.

    A new head, or a first convolution for other channels, does not count.

    Args:
        model: A network as :func:`skinseg.create_model` returned it, not yet trained further.

    Returns:
        Name, hash and training data of the weights, or ``"random weights"``.

    Example:
        >>> import skinseg
        >>> weights_held(skinseg.create_model("malunet"))
        'random weights'
        >>> weights_held(skinseg.create_model("malunet", pretrained=True)).partition(",")[0]
        'malunet.isic2017'
    """
    model = unwrapped(model)
    origin = origin_of(model)
    cfg = None if origin is None else origin.pretrained_cfg
    if cfg is None or cfg.file is None:
        return "random weights"
    try:
        recorded = read_state_dict(cfg.file)
    except CheckpointError:
        return "random weights"  # Not those of the record: these were read when it was created.
    own = model.state_dict()
    fitting = [key for key in recorded if key in own and own[key].shape == recorded[key].shape]
    if not fitting or not all(torch.equal(own[key].cpu(), recorded[key]) for key in fitting):
        return "random weights"
    data = cfg.training_data.get("name")
    trained_on = f", trained on {data}" if data else ""
    blocks = ", with blocks put in" if steps_of(model) and own.keys() != recorded.keys() else ""
    return f"{cfg.name}, sha256 {cfg.sha256 or file_hash(cfg.file)}{trained_on}{blocks}"


def record_of(model: nn.Module) -> tuple[PretrainedCfg, str]:
    """Return what may be said of a network's weights, and the hash of their safetensors file.

    Weights that are those of no file have the hash that :func:`save_pretrained` would record.
    A module that is none of this package's networks is known by the name of its class.
    """
    model = unwrapped(model)
    origin = origin_of(model)
    if origin is None:
        cfg = record_in(model) or PretrainedCfg(architecture=type(model).__name__)
        return cfg, weights_hash(model.state_dict())
    known = record_in(model)
    unchanged = known is not None and _file_of_weights(model, known) is not None
    try:
        surgery = recipe_of(model)
    except SurgeryError:
        surgery = []  # A block of one's own that no record can tell of.
    cfg = _filled_in(_record(origin, known, unchanged), origin, model, surgery)
    return cfg, (unchanged and cfg.sha256) or weights_hash(model.state_dict())


def _file_of_weights(model: nn.Module, cfg: PretrainedCfg) -> str | None:
    """Return the file of a record if the network still has its weights, else None."""
    if cfg.sha256 is None or cfg.file is None or not cfg.file.endswith(".safetensors"):
        return None
    try:
        recorded = read_state_dict(cfg.file)
    except CheckpointError:
        return None  # It lay in a folder or a cache that is gone.
    own = model.state_dict()
    same = (
        own.keys() == recorded.keys()
        and all(_is_held(value, own[key].cpu()) for key, value in recorded.items())
        and file_hash(cfg.file) == cfg.sha256
    )
    return cfg.file if same else None


def _is_held(stored: torch.Tensor, own: torch.Tensor) -> bool:
    """Whether a network has a stored tensor, perhaps in a wider type than the file's."""
    wide_enough = torch.promote_types(stored.dtype, own.dtype) == own.dtype
    return wide_enough and torch.equal(stored.to(own.dtype), own)
