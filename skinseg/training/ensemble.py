"""The networks of several runs as one."""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from skinseg import hub
from skinseg.checkpoint import StateDict, read_state_dict
from skinseg.libraries import is_library_name
from skinseg.models.loading import network_of
from skinseg.pretrained import PretrainedCfg

# What members must agree in: an ensemble prepares an image once for all of them.
_SHARED = ("input_size", "normalization", "threshold")


def save_ensemble(
    members: Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    *,
    training_data: Mapping[str, Any] | None = None,
    metrics: Sequence[Mapping[str, Any]] = (),
) -> PretrainedCfg:
    """Write several networks as one network, the mean of their probabilities.

    ``create_model("local-dir:FOLDER")`` builds it, a :class:`skinseg.models.Ensemble`, and
    everything that takes a network takes it: ``Predictor``, ``export``, ``push_to_hub``.

    Args:
        members: Folders of training runs, or others with ``config.json`` and
            ``model.safetensors``. The networks may be of several architectures; images must be
            prepared alike for all of them.
        folder: Made if it does not exist.
        training_data: What the record says of the data.
        metrics: What the record says of scores.

    Returns:
        The record.

    Raises:
        CheckpointError: If a member's weights are not those of its record.
        ValueError: If a folder holds no network or one that is not built by its registered name
            alone, or if images are prepared in different ways for them.
        TypeError: If ``members`` is one folder.
        OSError: If the folder cannot be written to.

    Example:
        >>> import skinseg, tempfile
        >>> with tempfile.TemporaryDirectory() as place:
        ...     for name in ("a", "b"):
        ...         skinseg.create_model("egeunet").save_pretrained(f"{place}/{name}")
        ...     record = save_ensemble([f"{place}/a", f"{place}/b"], f"{place}/both")
        ...     len(skinseg.create_model(f"local-dir:{place}/both").members)
        2
    """
    if isinstance(members, (str, os.PathLike)):
        raise TypeError(
            f"members must be several folders, not one, {os.fspath(members)!r}; give them as a list"
        )
    members = list(members)
    if not members:
        raise ValueError("an ensemble needs one member or more")
    records = [hub.read_local_dir(member) for member in members]
    _refuse_unlike(members, records)
    arguments = _arguments(records)
    first = records[0]
    state = {
        f"members.{index}.{name}": weight
        for index, record in enumerate(records)
        for name, weight in _weights(record).items()
    }
    ensemble = PretrainedCfg(
        architecture="ensemble",
        model_args=arguments,
        num_params=sum(record.num_params or 0 for record in records) or None,
        input_size=first.input_size,
        normalization=first.normalization,
        threshold=first.threshold,
        training_data=dict(training_data or {}),
        metrics=[dict(metric) for metric in metrics],
    )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    hub.write_local_dir(folder, ensemble, state)
    return dataclasses.replace(ensemble, file=str(folder / hub.WEIGHTS_NAME))


def _refuse_unlike(
    members: Sequence[str | os.PathLike[str]], records: Sequence[PretrainedCfg]
) -> None:
    """Raise a ValueError if images are prepared differently, or a name alone builds no member."""
    first = records[0]
    for member, record in zip(members, records, strict=True):
        for name in _SHARED:
            if getattr(record, name) != getattr(first, name):
                raise ValueError(
                    f"'{member}' has {name} {getattr(record, name)}, '{members[0]}' "
                    f"{getattr(first, name)}; members of an ensemble agree in it"
                )
        if record.surgery or is_library_name(record.architecture):
            raise ValueError(
                f"'{member}' holds {record.architecture}"
                f"{' with blocks put in' if record.surgery else ''}; members of an ensemble are "
                "this package's networks as they are"
            )


def _weights(record: PretrainedCfg) -> StateDict:
    """The weights of a member, in the precision of its file."""
    # Loaded as create_model would, since the ensemble's new hash vouches for what is in it.
    loaded = network_of(record, {}).state_dict()
    stored = read_state_dict(str(record.file))
    return {name: stored.get(name, weight) for name, weight in loaded.items()}


def _arguments(records: Sequence[PretrainedCfg]) -> dict[str, Any]:
    """What :class:`skinseg.models.Ensemble` is built with."""
    channels = {"in_chans": records[0].input_size[0], "num_classes": 1}
    given = [{**channels, **record.model_args} for record in records]
    shared = {name: given[0][name] for name in channels}
    for record, arguments in zip(records, given, strict=True):
        for name, value in shared.items():
            if arguments.pop(name) != value:
                raise ValueError(
                    f"{record.name} has another {name} than {records[0].name}, {value}; members "
                    "of an ensemble agree in it"
                )
    alike = all(
        (record.architecture, arguments) == (records[0].architecture, given[0])
        for record, arguments in zip(records, given, strict=True)
    )
    names = [record.architecture for record in records]
    return {
        "architecture": names[0] if alike else names,
        "members": len(records),
        "model_args": given[0] if alike else given,
        **shared,
    }
