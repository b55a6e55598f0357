"""Measure what hairs, bubbles, bad light and bad cameras cost each network.

    python benchmarks/robustness/robustness.py --data FOLDER

corrupts the official validation images of ISIC 2017 in every kind and severity, segments them with
every bundled network, and writes docs/results/robustness.json, .md and .svg. Stopped, it goes on
with the network that was not finished. ``--page-only`` rewrites page and plot from the JSON.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.provenance import provenance
from benchmarks.results import FOLDER
from benchmarks.robustness.robustness_plot import plot
from skinseg import Predictor, list_pretrained
from skinseg.data import ISIC2017, Sample
from skinseg.data.corruptions import SEVERITIES, corrupt, list_corruptions
from skinseg.files import write_json, write_text
from skinseg.metrics import count_pixels, overlap_scores

DATA = "ISIC 2017 task 1, official validation split"
CONDITIONS = [(kind, severity) for kind in list_corruptions() for severity in SEVERITIES]
CLEAN = ("", 0)


def evenly_spaced(dataset: ISIC2017, count: int | None) -> list[Sample]:
    """``count`` samples from the first to the last, or all."""
    count = min(count or len(dataset), len(dataset))
    return [dataset[int(i)] for i in np.linspace(0, len(dataset) - 1, count).round()]


def corrupted(samples: list[Sample], kind: str, severity: int) -> Iterator[np.ndarray]:
    """The images of one condition; the place of an image among the samples is its seed."""
    for seed, sample in enumerate(samples):
        yield corrupt(sample.image, kind, severity, seed) if kind else sample.image


def fingerprint(samples: list[Sample]) -> str:
    """A hash of all images and masks, and of every corruption of the first image."""
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(sample.image.tobytes() + sample.mask.tobytes())
    for kind, severity in CONDITIONS:
        digest.update(corrupt(samples[0].image, kind, severity, seed=0).tobytes())
    return digest.hexdigest()


def weights_hash(predictor: Predictor) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(predictor.model.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def measure(predictor: Predictor, samples: list[Sample], name: str) -> dict[str, Any]:
    """Mean Dice per image of one network, clean, and with its drop in every condition."""
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    with Progress(*columns, TimeRemainingColumn()) as progress:
        task = progress.add_task(name, total=(len(CONDITIONS) + 1) * len(samples))

        def dice(kind: str, severity: int) -> np.ndarray:
            counts = []
            for found, sample in zip(
                predictor.stream(corrupted(samples, kind, severity)), samples, strict=True
            ):
                counts.append(count_pixels(found.mask, sample.mask))
                progress.advance(task)
            return overlap_scores(np.array(counts))["dice"]

        clean = dice(*CLEAN)
        drops: dict[str, list[dict[str, float]]] = {kind: [] for kind in list_corruptions()}
        for kind, severity in CONDITIONS:
            drops[kind].append(_drop(clean - dice(kind, severity)))
    return {"mean_dice": round(float(clean.mean()), 5), "drops": drops}


def _drop(differences: np.ndarray) -> dict[str, float]:
    """Mean of the images' drops, and its standard error."""
    error = differences.std(ddof=1) / np.sqrt(len(differences)) if len(differences) > 1 else 0.0
    return {
        "mean_dice_drop": round(float(differences.mean()), 5),
        "standard_error": round(float(error), 5),
    }


def results(models: list[str], samples: list[Sample], path: Path) -> dict[str, Any]:
    """Measure what the file does not have yet, and write it after each network."""
    data: dict[str, Any] = {
        "data": DATA,
        "images": [sample.id for sample in samples],
        "fingerprint": fingerprint(samples),
        "networks": {},
    }
    if path.is_file():
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["fingerprint"] != data["fingerprint"]:
            # Such figures cannot stand in one table, and took long to measure.
            sys.exit(
                f"{path} holds results of other images or other corruptions; delete it, or choose "
                "another --output"
            )
        data = known
    # Taken before the first result is written, which would be a change, too.
    origin = provenance()
    for name in models:
        predictor = Predictor(name)
        weights = weights_hash(predictor)
        if data["networks"].get(name, {}).get("weights_sha256") == weights:
            continue
        measured = measure(predictor, samples, name)
        data["networks"][name] = {"weights_sha256": weights, "provenance": origin, **measured}
        write_json(path, data)
    return data


def page(data: dict[str, Any]) -> str:
    """Return the page made from the figures."""
    networks = data["networks"]
    kinds = list(next(iter(networks.values()))["drops"])
    parts = [
        "# Robustness",
        "",
        "Written by `benchmarks/robustness/robustness.py` from `robustness.json`. "
        f"{data['data']}, {len(data['images'])} images; each is corrupted in {len(kinds)} ways at "
        f"{len(SEVERITIES)} severities by `skinseg.data.corruptions` and segmented. Dice is "
        "averaged over images. A drop is clean Dice less corrupted Dice, in hundredths, so **more "
        "is worse**; ± is the standard error over images. In the mean, severities count alike. "
        "In the plot, severity 0 is the clean images.",
        "",
        "![Mean Dice by kind and severity of corruption, a line for each network](robustness.svg)",
        "",
        "## All networks",
        "",
        "| | " + " | ".join(f"`{name}`" for name in networks) + " |",
        "|---|" + "---|" * len(networks),
        _row("Dice, clean", [f"{entry['mean_dice']:.3f}" for entry in networks.values()]),
        _row("mean drop", [f"**{_mean(entry, kinds)}**" for entry in networks.values()]),
        *(
            _row(_title(kind), [_mean(entry, [kind]) for entry in networks.values()])
            for kind in kinds
        ),
    ]
    for name, entry in networks.items():
        origin = entry["provenance"]
        changed = ", ".join(f"`{path}`" for path in origin["uncommitted"])
        parts += [
            "",
            f"## `{name}`",
            "",
            f"Dice {entry['mean_dice']:.4f} on clean images. Measured at commit "
            f"`{origin['commit'][:8]}`{f' with changes to {changed}' if changed else ''}, "
            f"weights `{entry['weights_sha256'][:12]}`, {origin['hardware']}.",
            "",
            "| kind | " + " | ".join(map(str, SEVERITIES)) + " |",
            "|---|" + "---|" * len(SEVERITIES),
            *(_row(_title(kind), map(_cell, drops)) for kind, drops in entry["drops"].items()),
        ]
    return "\n".join(parts) + "\n"


def _mean(entry: dict[str, Any], kinds: list[str]) -> str:
    drops = chain.from_iterable(entry["drops"][kind] for kind in kinds)
    return _hundredths(float(np.mean([drop["mean_dice_drop"] for drop in drops])))


def _cell(drop: dict[str, float]) -> str:
    return f"{_hundredths(drop['mean_dice_drop'])} ± {_hundredths(drop['standard_error'])}"


def _hundredths(value: float) -> str:
    # Adding zero turns -0.0 into 0.0.
    return f"{round(100 * value, 1) + 0:.1f}"


def _title(kind: str) -> str:
    return kind.replace("_", " ")


def _row(head: str, cells: Iterable[str]) -> str:
    return f"| {head} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with the ISIC 2017 folders")
    parser.add_argument("--images", type=int, help="only so many images, evenly spaced")
    parser.add_argument("--models", nargs="+", help="names for Predictor; the bundled weights")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder of the results")
    parser.add_argument("--page-only", action="store_true", help="page and plot from the JSON")
    arguments = parser.parse_args()
    path = arguments.output / "robustness.json"
    if arguments.page_only:
        if not path.is_file():
            parser.error(f"there is no {path}; measure first")
        data = json.loads(path.read_text(encoding="utf-8"))
    else:
        if arguments.data is None:
            parser.error("--data FOLDER is needed, or --page-only")
        if arguments.images is not None and arguments.images < 1:
            parser.error(f"--images must be 1 or more, not {arguments.images}")
        models = arguments.models or list_pretrained()
        if not models:
            parser.error("no weights are bundled; name networks with --models")
        arguments.output.mkdir(parents=True, exist_ok=True)
        samples = evenly_spaced(ISIC2017(arguments.data, "val"), arguments.images)
        data = results(models, samples, path)
    write_text(path.with_suffix(".md"), page(data))
    write_text(path.with_suffix(".svg"), plot(data))


if __name__ == "__main__":
    main()
