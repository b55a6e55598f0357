"""Which trained weights are known, where they are, and how images must be prepared for them."""

import dataclasses
import hashlib
import json
import math
import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from skinseg.names import as_patterns, matches, near_matches, split_name
from skinseg.record_fields import check_fields
from skinseg.registry import is_model, model_module, model_names

BUNDLED = Path(__file__).parent / "weights"
FOLDER_VARIABLE = "SKINSEG_WEIGHTS"
DEFAULT_TAGS = {
    "basic_unet": "isic2017",
    "cmunext_s": "isic2017",
    "egeunet": "isic2017",
    "ensemble": "isic2017",
    "lbunet": "isic2017",
    "lmsaunet": "isic2017",
    "malunet": "isic2017",
    "mkunet_s": "isic2017",
    "mkunet_t": "isic2017",
    "mobilenetv3": "isic2017",
    "mucmnet": "isic2017",
    "ucmnet": "isic2017",
    "ultralight_vm_unet": "isic2017",
    "unext": "isic2017",
    "unext_s": "isic2017",
}
"""Weights that a bare architecture stands for; files of the user never change that."""

BEST = "ensemble.isic2017"
"""What the name ``best`` stands for: of the bundled weights, those of the highest pooled IoU on the
official validation images of ISIC 2017."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainedCfg:
    """Record of one set of weights, kept as JSON beside the file.

    Attributes:
        architecture: Registered name of the network.
        tag: Which weights of that network, for example ``isic2017``.
        model_args: Constructor arguments that the weights need.
        surgery: The blocks that were put into the network, as :func:`skinseg.surgery.apply`
            takes them; empty for a network as its architecture has it.
        file: The safetensors file, or None where it must come from the Hub.
        hf_hub_id: Hub repository ``org/name`` or ``org/name@revision``, or None.
        sha256: Hash of the safetensors file; None for a user's own unrecorded file.
        num_params: Number of parameters.
        input_size: (channels, height, width) that the weights were trained at.
        normalization: How pixels 0..255 become the input; see
            :class:`skinseg.data.Normalization`.
        threshold: Probability from which a pixel counts as lesion.
        training_data: Name, split, number of images, license and citation of the data; of a
            training run, which weights it began with, the number of images, and what chose the
            epoch.
        recipe: Settings of the training run.
        commit: Commit of the code that trained them.
        metrics: Measured scores, each with data, split, definition and value.
        license: License of the weights.
        limitations: Where the weights are known, or must be expected, to fail.
    """

    architecture: str
    tag: str = ""
    model_args: dict[str, Any] = dataclasses.field(default_factory=dict)
    surgery: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    file: str | None = None
    hf_hub_id: str | None = None
    sha256: str | None = None
    num_params: int | None = None
    input_size: tuple[int, int, int] = (3, 256, 256)
    normalization: dict[str, Any] = dataclasses.field(
        default_factory=lambda: {"kind": "minmax", "scale": 255.0}
    )
    threshold: float = 0.5
    training_data: dict[str, Any] = dataclasses.field(default_factory=dict)
    recipe: dict[str, Any] = dataclasses.field(default_factory=dict)
    commit: str | None = None
    metrics: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    license: str | None = None
    limitations: str | None = None

    @property
    def name(self) -> str:
        """``arch.tag``, or ``arch`` where there is no tag."""
        return f"{self.architecture}.{self.tag}" if self.tag else self.architecture

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], source: str) -> "PretrainedCfg":
        """Build a record from JSON data.

        Args:
            record: The data.
            source: What to name in errors.

        Raises:
            ValueError: If a key is unknown, a value of a wrong kind, or the architecture missing.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        for key in record:
            if key not in known:
                raise ValueError(f"{source}: unknown key {key!r}; {near_matches(key, known)}")
        if "architecture" not in record:
            raise ValueError(f"{source}: the key 'architecture' is missing")
        check_fields(record, source)
        values = dict(record)
        if "input_size" in values:
            values["input_size"] = tuple(values["input_size"])
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON data, without the place of the file."""
        record = dataclasses.asdict(self)
        del record["file"]
        if not self.surgery:  # Versions before 0.2 do not know the key.
            del record["surgery"]
        return {name: _without_nan(value) for name, value in record.items()}


def _without_nan(value: Any) -> Any:
    """The same with null for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_without_nan(inner) for inner in value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_record(path: Path) -> PretrainedCfg:
    """Read ``<arch.tag>.json``; its file is the safetensors of the same name, where there is one.

    A training run writes a record without a tag: the name of the file gives it one.

    Raises:
        ValueError: If the JSON is broken, no object, or has unknown keys.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not a readable weight record: {error}") from error
    if not isinstance(record, dict):
        raise ValueError(
            f"{path} is no weight record, which is a JSON object, but {type(record).__name__}; "
            "move it to another folder"
        )
    cfg = PretrainedCfg.from_dict(record, str(path))
    arch, tag = split_name(path.stem)
    if not cfg.tag and arch == cfg.architecture:
        cfg = dataclasses.replace(cfg, tag=tag)
    weights = path.with_suffix(".safetensors")
    return dataclasses.replace(cfg, file=str(weights)) if weights.is_file() else cfg


def _known() -> dict[str, PretrainedCfg]:
    """What can be loaded, by ``arch.tag``; files of the user's folder replace the package's."""
    return {name: cfg for name, cfg in _found().items() if not _is_hidden(cfg)}


def _is_hidden(cfg: PretrainedCfg) -> bool:
    """Whether its name stands for other weights, the default ones of its architecture."""
    return not cfg.tag and cfg.architecture in DEFAULT_TAGS


def _found() -> dict[str, PretrainedCfg]:
    """All records that there are, by name."""
    records = {}
    folders = [BUNDLED]
    if os.environ.get(FOLDER_VARIABLE):
        folders.append(_user_folder(os.environ[FOLDER_VARIABLE]))
    for folder in folders:
        for path in sorted(folder.glob("*.json")):
            cfg = read_record(path)
            records[cfg.name] = cfg
        for path in sorted(folder.glob("*.safetensors")):
            if folder != BUNDLED and not path.with_suffix(".json").is_file():
                _override(records, path)
    return records


def _user_folder(value: str) -> Path:
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise ValueError(
            f"{FOLDER_VARIABLE} is {value!r}, which is not a folder; unset it or correct it"
        )
    return folder


def _override(records: dict[str, PretrainedCfg], path: Path) -> None:
    """A file without a record takes the place of the known file of that name, unhashed."""
    name = path.stem
    if is_model(name):
        arch, tag = split_name(name)
        cfg = records.get(name, PretrainedCfg(architecture=arch, tag=tag))
        records[name] = dataclasses.replace(cfg, file=str(path), sha256=None)


def list_pretrained(
    filter: str | Iterable[str] = "", exclude_filters: str | Iterable[str] = ""
) -> list[str]:
    """Return the known ``arch.tag`` names, sorted.

    Args:
        filter: Wildcard pattern, or several; one without a tag stands for all tags, and none for
            all names.
        exclude_filters: Patterns of names to leave out.

    Example:
        >>> list_pretrained("mkunet*")
        ['mkunet_s.isic2017', 'mkunet_t.isic2017']
    """
    return sorted(_chosen(_known(), filter, exclude_filters))


def _chosen(
    names: Iterable[str], filter: str | Iterable[str], exclude_filters: str | Iterable[str]
) -> list[str]:
    wanted, unwanted = as_patterns(filter) or ["*"], as_patterns(exclude_filters)
    return [name for name in names if matches(name, wanted) and not matches(name, unwanted)]


def is_model_pretrained(name: str) -> bool:
    """Tell whether there are weights of this name: ``arch.tag``, any of ``arch``, or ``best``.

    Example:
        >>> is_model_pretrained("malunet.isic2017"), is_model_pretrained("malunet")
        (True, True)
        >>> is_model_pretrained("unet"), is_model_pretrained("malunet.imagenet")
        (False, False)
    """
    arch, tag = _split(name)
    records = [cfg for cfg in _known().values() if cfg.architecture == arch]
    return any(not tag or cfg.tag == tag for cfg in records)


def _split(name: str) -> tuple[str, str]:
    """Architecture and tag of a name, which may be ``best``."""
    return split_name(BEST if name == "best" else name)


def list_models(
    filter: str | Iterable[str] = "",
    module: str | Iterable[str] = "",
    pretrained: bool = False,
    exclude_filters: str | Iterable[str] = "",
    *,
    include_tags: bool | None = None,
) -> list[str]:
    """Return the names of registered networks, sorted.

    Args:
        filter: Wildcard pattern, or several; one without a tag stands for all tags, and none for
            all names.
        module: Only networks registered in the module of this name, or of one of these, such as
            ``"malunet"``, or ``"ablations"`` for the rows of the papers' tables.
        pretrained: Only what has weights.
        exclude_filters: Patterns of names to leave out.
        include_tags: List ``arch.tag`` for each set of weights instead of ``arch``; by default
            where ``pretrained`` is set, as timm does.

    Example:
        >>> list_models("lmsa*", "lmsaunet")
        ['lmsaunet', 'lmsaunet_n8']
        >>> list_models(["malunet", "lmsa*"], pretrained=True)
        ['lmsaunet.isic2017', 'malunet.isic2017']
    """
    include_tags = pretrained if include_tags is None else include_tags
    tagged = [name for name in list_pretrained() if is_model(name)]
    with_weights = {split_name(name)[0] for name in tagged}
    names = [arch for arch in model_names() if not pretrained or arch in with_weights]
    if include_tags:
        names = [arch for arch in names if arch not in with_weights] + tagged
    modules = as_patterns(module)
    if modules:
        names = [n for n in names if model_module(n).split(".")[-1] in modules]
    return sorted(_chosen(names, filter, exclude_filters))


def get_pretrained_cfg(name: str) -> PretrainedCfg | None:
    """Return the record of a network's weights.

    A file of the user's without a tag, as ``egeunet.safetensors``, is not taken where the
    architecture has default weights; a warning says how to rename it.

    Args:
        name: ``arch.tag``, or ``arch`` for its default tag, or ``best``.

    Returns:
        The record, or None for a registered network that has no weights.

    Raises:
        ValueError: If the network or the tag is unknown, or an architecture without a default has
            several; the message names what there is.

    Example:
        >>> get_pretrained_cfg("malunet.isic2017").architecture
        'malunet'
    """
    arch, tag = _split(name)
    if not is_model(arch):
        raise ValueError(f"there is no network {arch!r}; {near_matches(arch, model_names())}")
    found = [cfg for cfg in _found().values() if cfg.architecture == arch]
    records = {cfg.tag: cfg for cfg in found if not _is_hidden(cfg)}
    if tag:
        if tag not in records:
            raise ValueError(
                f"there are no weights {tag!r} for {arch}; {near_matches(tag, records)}"
            )
        return records[tag]
    if not records:
        return None
    for cfg in filter(_is_hidden, found):
        _warn_of_hidden(cfg)
    default = DEFAULT_TAGS.get(arch)
    if default is None and len(records) > 1:
        raise ValueError(
            f"{arch} has several weights, and none of them is the default; name one of "
            f"{', '.join(cfg.name for cfg in records.values())}"
        )
    return records[default or next(iter(records))]


def _warn_of_hidden(cfg: PretrainedCfg) -> None:
    arch = cfg.architecture
    warnings.warn(
        f"the weights {arch} in the folder of {FOLDER_VARIABLE} are not used: {arch} stands for "
        f"{arch}.{DEFAULT_TAGS[arch]}. Give them a tag to load them by, as in "
        f"{arch}.NAME.safetensors",
        stacklevel=3,
    )


def file_hash(path: str | os.PathLike[str]) -> str:
    """Return the sha256 of a file, in hexadecimal digits."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
