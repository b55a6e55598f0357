"""``skinseg list`` and ``skinseg info``: which networks there are, and what each of them is."""

import dataclasses
import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

import skinseg
from skinseg.cli.completion import complete_model
from skinseg.cli.console import errors_reported, say, say_json, stdout, stop
from skinseg.cli.options import SOURCES, AsJson
from skinseg.cli.tables import show_facts, show_table
from skinseg.formatting import counted
from skinseg.names import split_name
from skinseg.registry import is_model, model_entrypoint

if TYPE_CHECKING:
    from skinseg.models import SegmentationModel
    from skinseg.pretrained import PretrainedCfg


NOT_TOLD = "not recorded"


def list_networks(
    pattern: Annotated[str, typer.Argument(help="Only names like this: 'malu*'.")] = "*",
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Only weights, one line each.")
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Names alone, as when the output is no terminal.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the networks and their weights."""
    with errors_reported():
        names = skinseg.list_models(pattern, pretrained=pretrained)
    if not names:
        what = "weights" if pretrained else "network"
        stop(f"no {what} of a name like '{pattern}'; `skinseg list` shows all networks.")
    if as_json:
        say_json([_listed(name) for name in names])
        return
    if plain or not stdout.is_terminal:
        say("\n".join(names))
        return
    rows = [_row(name) for name in names]
    show_table(["network", "parameters", "weights", "score"], rows, figures=(1,))


def _row(name: str) -> list[str]:
    record = skinseg.get_pretrained_cfg(name)
    return [name, f"{_parameters(name, record):,}", ", ".join(_tags(name)), _headline(record)]


def _listed(name: str) -> dict[str, Any]:
    """What the list says of a network, as JSON data."""
    record = skinseg.get_pretrained_cfg(name)
    return {
        "name": name,
        "parameters": _parameters(name, record),
        "weights": _tags(name),
        "scores": record.metrics if record else [],
    }


def _tags(name: str) -> list[str]:
    arch, tag = split_name(name)
    return [tag] if tag else [split_name(n)[1] for n in skinseg.list_pretrained(f"{arch}.*")]


def _build(name: str, record: "PretrainedCfg | None") -> "SegmentationModel":
    network: SegmentationModel
    network = skinseg.create_model(name, **(record.model_args if record else {}))
    return network


def _parameters(name: str, record: "PretrainedCfg | None") -> int:
    """Number of parameters, without building a network that the zoo has counted."""
    if record is not None and record.num_params is not None:
        return record.num_params
    if record is None and name in skinseg.models.CATALOG:
        return int(skinseg.models.CATALOG[name]["parameters"])
    return skinseg.complexity.count_parameters(_build(name, record)).total


def _headline(record: "PretrainedCfg | None") -> str:
    """The record's first measurement in few words."""
    for metric in record.metrics if record else ():
        if "pooled_iou" in metric:
            return f"lesion IoU {metric['pooled_iou']:.3f} ({metric.get('data', 'unknown data')})"
    return ""


def info(
    name: Annotated[str, typer.Argument(help=f"{SOURCES}.", autocompletion=complete_model)],
    size: Annotated[
        int | None, typer.Option(help="Side of the image that costs are counted for.", min=32)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Describe a network, its weights and its costs."""
    if skinseg.runtimes.is_exported_path(name):
        if size is not None:
            stop("--size does not go with an exported file, whose costs are not counted.")
        _describe_file(name, as_json=as_json)
        return
    with errors_reported():
        # A folder or a repository is known by its files alone, and comes with its weights.
        record = None if ":" in name else skinseg.get_pretrained_cfg(name)
        network = _build(name, record)
    facts = _facts(name, network, size)
    if as_json:
        say_json(facts)
    else:
        _print_facts(facts)


def _describe_file(path: str, *, as_json: bool) -> None:
    """Print what an exported file says of itself; its costs are those of its network."""
    with errors_reported():
        metadata = skinseg.runtimes.read_metadata(path)
    if as_json:
        facts = {**dataclasses.asdict(metadata), "record": metadata.record.to_dict()}
        say_json({"file": path, **facts})
        return
    size = "any size" if metadata.size is None else "{} x {}".format(*metadata.size)
    show_facts(
        [
            ("file", path),
            ("network", metadata.record.name),
            ("takes", f"{size}, {counted(metadata.in_chans, 'channel')}, {metadata.input}"),
            ("returns", f"{metadata.output}, {counted(metadata.num_classes, 'class', 'classes')}"),
            ("weights", f"{metadata.precision}, sha256 {metadata.weights_sha256}"),
            *_record_lines(metadata.record.to_dict()),
            ("written by", f"skinseg {metadata.version}"),
        ]
    )


def _facts(name: str, network: "SegmentationModel", size: int | None) -> dict[str, Any]:
    origin = skinseg.hub.origin_of(network)
    record = origin.pretrained_cfg if origin else None
    architecture = record.architecture if record else name
    about = inspect.getdoc(model_entrypoint(architecture)) if is_model(architecture) else None
    features = getattr(network, "feature_info", None)
    trained = record.input_size[1:] if record else (256, 256)
    input_size = (getattr(network, "in_chans", 3), *((size, size) if size else trained))
    return {
        "name": record.name if record else name,
        "summary": (about or "").partition("\n")[0],
        "arguments": origin.model_args if origin else None,
        "parameters": skinseg.complexity.count_parameters(network).total,
        "feature_maps": features.get_dicts() if features else None,
        "weights": record.to_dict() if record else None,
        "cost": skinseg.complexity.model_complexity(network, input_size).to_dict(),
    }


def _print_facts(facts: dict[str, Any]) -> None:
    show_facts(_lines(facts))
    cost = facts["cost"]
    size = "x".join(str(n) for n in cost["input_size"])
    show_table(["cost for one image", "counted"], _costs(cost), title=f"costs at {size}")
    header = ["block", "class", "parameters", "M MACs", "ms"]
    show_table(header, _block_costs(cost), title="by block", figures=(2, 3, 4))


def _costs(cost: dict[str, Any]) -> list[list[str]]:
    """Counts of the whole network, each with its counter."""
    memory = cost["peak_activation_bytes"] / 2**20
    return [
        *([f"parameters, {kind}", f"{count:,}"] for kind, count in cost["parameters"].items()),
        *(
            [f"multiply-accumulates, {counter}", f"{macs / 1e6:,.2f} M"]
            for counter, macs in cost["macs"].items()
        ),
        ["peak activation memory", f"{memory:.1f} MiB"],
    ]


def _block_costs(cost: dict[str, Any]) -> list[list[str]]:
    """What each block costs; a line includes the lines of its parts."""
    return [
        [
            block["name"],
            block["kind"],
            f"{block['parameters']:,}",
            f"{block['macs'] / 1e6:.2f}",
            f"{block['milliseconds']:.2f}",
        ]
        for block in cost["blocks"]
    ]


def _lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    maps = [f"{m['num_chs']} at 1/{m['reduction']}" for m in facts["feature_maps"] or []]
    lines = [
        ("network", facts["name"]),
        ("", facts["summary"]),
        ("arguments", _pairs(facts["arguments"] or {})),
        ("parameters", f"{facts['parameters']:,}"),
        ("feature maps", ", ".join(maps) or "none"),
    ]
    record = facts["weights"]
    if record is None:
        return [*lines, ("weights", "none")]
    return [
        *lines,
        *_record_lines(record),
        ("code commit", record["commit"] or NOT_TOLD),
        ("file sha256", record["sha256"] or NOT_TOLD),
    ]


def _record_lines(record: dict[str, Any]) -> list[tuple[str, str]]:
    channels, height, width = record["input_size"]
    blocks = [f"{step['block']}: {' + '.join(step['place'])}" for step in record.get("surgery", [])]
    return [
        *([("blocks put in", "; ".join(blocks))] if blocks else []),
        (
            "input",
            f"{height} x {width}, {counted(channels, 'channel')}, "
            f"{_pairs(record['normalization'])}",
        ),
        ("threshold", str(record["threshold"])),
        ("trained on", _training_data(record["training_data"])),
        *(("scores" if i == 0 else "", _scores(m)) for i, m in enumerate(record["metrics"])),
        ("license", record["license"] or NOT_TOLD),
        ("limitations", record["limitations"] or NOT_TOLD),
    ]


def _training_data(facts: dict[str, Any]) -> str:
    return (
        _pairs({key.replace("_", " "): fact for key, fact in facts.items()}) if facts else NOT_TOLD
    )


def _scores(entry: dict[str, Any]) -> str:
    """A measurement in words; runs of earlier versions recorded a loss with it."""
    return _pairs({key: value for key, value in entry.items() if key != "loss"})


def _pairs(values: dict[str, Any]) -> str:
    shown = (f"{v:.4g}" if isinstance(v, float) else str(v) for v in values.values())
    return ", ".join(f"{key}: {value}" for key, value in zip(values, shown, strict=True)) or "none"
