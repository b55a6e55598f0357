"""Every registered network in every format, verified, or the reason why not.

    python benchmarks/speed/export_matrix.py [--only NAME ...] [--formats FORMAT ...]

Each network is exported with its trained weights where it has some, otherwise with fixed random
ones, at two sizes; ablations of other networks to ONNX alone. Results are added to those that
docs/results/export_matrix.json has already, so that a run may be interrupted, and new networks
added. Writes docs/results/export_matrix.json and .md.
"""

import argparse
import gc
import importlib.util
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

import skinseg
from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, write_result
from skinseg.exporting import FORMATS

RESULTS = FOLDER / "export_matrix"
SIZES = (128, 256)
# Beyond this many parameters a network is no lightweight one, and is exported at one size.
LARGE = 5_000_000


def network(name: str) -> nn.Module:
    """The network with trained weights, or with fixed random ones and batch statistics."""
    if skinseg.list_pretrained(f"{name}.*"):
        return skinseg.create_model(name, pretrained=True)
    torch.manual_seed(0)
    model = skinseg.create_model(name)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
    return model


def ablations() -> set[str]:
    """Names of the networks that are rows of tables of the papers."""
    return set(skinseg.list_models(module="ablations"))


def combinations(name: str) -> list[tuple[str, int]]:
    """Formats and sizes that a network is exported in."""
    parameters = skinseg.models.CATALOG.get(name, {}).get("parameters", 0)
    sizes = SIZES if parameters < LARGE else SIZES[:1]
    formats = ["onnx"] if name in ablations() else list(FORMATS)
    return [(format, size) for format in formats for size in sizes]


def exported(model: nn.Module, format: str, size: int) -> dict[str, Any]:
    """Facts of one export, or the reason why there is none."""
    missing = [p for p in FORMATS[format].packages if importlib.util.find_spec(p) is None]
    if missing:
        return {"missing": missing}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"network{FORMATS[format].suffix}"
        try:
            report = skinseg.export(model, path, format=format, size=size)
        except skinseg.ExportError as error:
            return {"verified": False, "reason": str(error)}
        return {
            "verified": True,
            "relative_difference": report.largest_difference,
            "mask_iou": min(check.mask_iou for check in report.checks),
            "operators": report.nodes,
            "bytes": report.bytes,
            "runtime": report.runtime,
            "seconds": round(time.perf_counter() - started, 1),
        }


def page(results: dict[str, Any]) -> str:
    """Return the page made from the figures."""
    networks = results["networks"]
    cells = [cell for rows in networks.values() for cell in rows.values()]
    verified = sum(cell["verified"] for cell in cells)
    lines = [
        "# Export matrix",
        "",
        "Written by `benchmarks/speed/export_matrix.py`. Every registered network, exported and",
        "compared with its published form on random and on synthetic images, in batches of 1 and",
        f"3: {verified} of {len(cells)} files are verified. A cell has the largest difference, as",
        "a fraction of the largest logit, and the number of operators in the file. Ablations of",
        "other networks are exported to ONNX alone, networks of more than "
        f"{LARGE // 10**6} million parameters at one size.",
        "",
    ]
    columns = [(format, size) for format in FORMATS for size in SIZES]
    lines.append("| network | " + " | ".join(f"{f}, {s}" for f, s in columns) + " |")
    lines.append("|---" * (len(columns) + 1) + "|")
    reasons = []
    for name, rows in sorted(networks.items()):
        row = [rows.get(f"{format} {size}") for format, size in columns]
        lines.append(f"| {name} | " + " | ".join(_cell(cell) for cell in row) + " |")
        for key, cell in rows.items():
            if not cell["verified"]:
                reasons.append(f"- {name}, {key}: {cell['reason'].splitlines()[0]}")
    if reasons:
        lines += ["", "## What is not verified", "", *reasons]
    return "\n".join(lines) + "\n"


def _cell(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return ""
    if not cell["verified"]:
        return "see below"
    return f"{cell['relative_difference']:.0e}, {cell['operators']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these networks alone")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, help="these formats alone")
    parser.add_argument("--again", action="store_true", help="also what is recorded already")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    recorded = RESULTS.with_suffix(".json")
    networks: dict[str, dict[str, Any]] = {}
    if recorded.is_file():
        networks = json.loads(recorded.read_text(encoding="utf-8"))["networks"]
    for name in arguments.only or skinseg.list_models():
        model = None
        for format, size in combinations(name):
            key = f"{format} {size}"
            done = not arguments.again and key in networks.get(name, {})
            if done or (arguments.formats and format not in arguments.formats):
                continue
            model = network(name) if model is None else model
            found = exported(model, format, size)
            print(name, key, found.get("reason", found), flush=True)
            if "missing" not in found:
                networks.setdefault(name, {})[key] = found
                results = {"provenance": provenance(), "networks": networks}
                write_result(RESULTS, results, page(results))
        gc.collect()


if __name__ == "__main__":
    main()
