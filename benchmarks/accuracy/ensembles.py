"""Score networks and ensembles of them on the same test images.

    python benchmarks/accuracy/ensembles.py --data FOLDER

writes docs/results/ensembles.json and the page made from it. The members are among the weights that
accuracy.py keeps, trained on the 7:3 split.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.accuracy.accuracy import WEIGHTS, own_size_scores
from benchmarks.protocol.compare import (
    RESAMPLES,
    Runs,
    difference,
    gain,
    percent,
    summary,
    verdict,
)
from benchmarks.protocol.records import case_columns
from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, write_result
from benchmarks.weights.splits import open_split
from skinseg import Predictor
from skinseg.complexity import count_parameters
from skinseg.data import PairDataset
from skinseg.evaluation import evaluate
from skinseg.training import save_ensemble

RESULTS = FOLDER / "ensembles"
ENSEMBLES = {
    "MALUNet, two seeds": ("paper73-malunet-300-0", "paper73-malunet-300-1"),
    "MALUNet, two seeds, with Muon": ("paper73-malunet-muon-0", "paper73-malunet-muon-1"),
    "BasicUNet, two seeds": ("paper73-basic_unet-300-0", "paper73-basic_unet-300-1"),
    "EGE-UNet, two seeds": ("paper73-egeunet-300-0", "paper73-egeunet-300-1"),
    # The architectures of the ensemble that ships.
    "EGE-UNet, LB-UNet, BasicUNet": (
        "paper73-egeunet-300-0",
        "protocol-lbunet-0",
        "paper73-basic_unet-300-0",
    ),
    "the same and MALUNet": (
        "paper73-egeunet-300-0",
        "protocol-lbunet-0",
        "paper73-basic_unet-300-0",
        "paper73-malunet-300-0",
    ),
}
SHOWN = ("pooled_iou", "pooled_dice", "mean_iou", "mean_dice")
PAGE = """# Ensembles

Written by `benchmarks/accuracy/ensembles.py` from `ensembles.json`. An ensemble is one network that
averages its members' probabilities. Members learned from images of the 7:3 split of ISIC 2017;
scores are of its {images} test images at 256x256, with the 95 % interval over images (bootstrap,
{resamples:,} resamples) in brackets. No test image chose a member or an epoch: the last epoch is
kept. "Flips" is pooled IoU where the probabilities of the four flips of each image are averaged, at
four times the cost. The gain is over the member that scores highest on the same images, resampled
alike for both.

For research; not a medical device.

| ensemble | parameters | IoU | Dice | IoU per image | Dice per image | IoU, flips | gain in IoU |
|---|---|---|---|---|---|---|---|
"""
MEMBERS = """
The members by themselves:

| member | parameters | IoU | Dice | IoU per image | Dice per image | IoU, flips |
|---|---|---|---|---|---|---|
"""


def measure(name: str, model: str, held_out: PairDataset) -> Runs:
    """Score weights without and with flips; the record has both, and each image's counts."""
    predictor = Predictor(model)
    report = evaluate(predictor, held_out, sizes=("own",), progress=False)
    flips = own_size_scores(Predictor(model, tta=True), held_out)
    record = {
        "network": name,
        "cases": case_columns(report.cases["own"]),
        "parameters": count_parameters(predictor.model).total,
        "pooled_iou_with_flips": flips["pooled_iou"]["value"],
    }
    print(name, f"{report.summaries['own'].to_dict()['scores']['pooled_iou']['value']:.4f}")
    return Runs.of([record])


def measure_ensemble(name: str, members: Sequence[str], held_out: PairDataset) -> Runs:
    """Score the ensemble of weights that are kept."""
    with tempfile.TemporaryDirectory() as folder:
        save_ensemble([WEIGHTS / member for member in members], folder)
        return measure(name, f"local-dir:{folder}", held_out)


def entry(runs: Runs) -> dict[str, Any]:
    """What the page says of a network."""
    scores = summary(runs)
    [record] = runs.records
    return {
        "parameters": record["parameters"],
        "scores": {name: scores[name] for name in SHOWN},
        "pooled_iou_with_flips": record["pooled_iou_with_flips"],
    }


def cells(found: dict[str, Any]) -> list[str]:
    """Parameters and scores of a row."""
    scores = [found["scores"][name] for name in SHOWN]
    flips = f"{100 * found['pooled_iou_with_flips']:.2f}"
    return [f"{found['parameters']:,}", *map(percent, scores), flips]


def page(data: dict[str, Any]) -> str:
    """Return the page made from the figures."""
    text = PAGE.format(images=data["images"], resamples=data["resamples"])
    for name, found in data["ensembles"].items():
        gained = f"{gain(found['gain'])}, {verdict(found['gain'])}"
        text += f"| {' | '.join([name, *cells(found), gained])} |\n"
    text += MEMBERS
    for name, found in data["members"].items():
        text += f"| {' | '.join([f'`{name}`', *cells(found)])} |\n"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of ISIC 2017")
    arguments = parser.parse_args()
    _, held_out = open_split("paper73", arguments.data)
    names = dict.fromkeys(name for members in ENSEMBLES.values() for name in members)
    alone = {name: measure(name, f"local-dir:{WEIGHTS / name}", held_out) for name in names}
    members_found = {name: entry(runs) for name, runs in alone.items()}

    def pooled_iou(name: str) -> float:
        return float(members_found[name]["scores"]["pooled_iou"]["value"])

    ensembles = {}
    for name, members in ENSEMBLES.items():
        runs = measure_ensemble(name, members, held_out)
        gained = difference(runs, alone[max(members, key=pooled_iou)])
        ensembles[name] = {**entry(runs), "members": list(members), "gain": gained}
    data = {
        "provenance": provenance(),
        "images": len(held_out),
        "resamples": RESAMPLES,
        "members": members_found,
        "ensembles": ensembles,
    }
    write_result(RESULTS, data, page(data))


if __name__ == "__main__":
    main()
