"""Score the trials among the training runs on the fifth of the images that they held out.

    python benchmarks/recipes/trial_scores.py --data FOLDER --runs RUNS

writes docs/results/trial_runs.json and the page made from it, trial_runs.md.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, write_result
from benchmarks.weights.runs import RUNS, finished, hours
from benchmarks.weights.splits import open_split
from skinseg import Predictor
from skinseg.evaluation import evaluate

RESULTS = FOLDER / "trial_runs"
PAGE = """# Trial runs

Written by `benchmarks/recipes/trial_scores.py`. MALUNet, the paper's recipe with a cosine that
falls once and averaged weights (decay {ema_decay}), and the changes named; trained on 1,200 of the
1,500 training images of paper73 and scored on the other {images}, so that the 650 test images
choose nothing. Pooled lesion IoU and mean IoU of the images, of the last epoch, at 256x256; "flips"
averages over the four flips. One seed: differences below 0.01 say little. Where `soft_weight` is
above 0, that fraction of the mask to learn is what teachers say of the image
(`benchmarks/recipes/teachers.py`), who have learned from images that are held out here.

| trial | differs in | epochs | hours | pooled IoU | mean IoU | pooled, flips | mean, flips |
|---|---|---|---|---|---|---|---|
"""


def score(name: str, runs: Path, data: Path) -> dict[str, Any]:
    """What a run changes, what it cost, and what its weights score without and with flips."""
    run, folder = RUNS[name], runs / name
    _, held_out = open_split(run.split, data)
    scores = {}
    for way in ("plain", "flips"):
        predictor = Predictor(f"local-dir:{folder}", tta=way == "flips")
        report = evaluate(predictor, held_out, sizes=("own",), progress=False)
        found = report.summaries["own"].to_dict()["scores"]
        scores[way] = {key: found[key]["value"] for key in ("pooled_iou", "mean_iou")}
    print(name, scores)
    return {
        "images": len(held_out),
        "recipe": run.recipe.to_dict(),
        "hours": round(hours(folder), 2),
        "provenance": json.loads((folder / "provenance.json").read_text()),
        "scores": scores,
    }


def differences(recipe: dict[str, Any], start: dict[str, Any]) -> str:
    """The settings that are not those of the first trial, nested ones by their own names."""
    found: dict[str, Any] = {}
    for key, value in recipe.items():
        if isinstance(value, dict):
            inner = value.items()
            found |= {name: item for name, item in inner if item != start[key].get(name)}
        elif value != start[key] and key != "epochs":
            found[key] = value
    return ", ".join(f"{name} {value}" for name, value in found.items()) or "nothing"


def page(data: dict[str, Any]) -> str:
    """Return the page made from the figures."""
    trials = data["trials"]
    start = next(iter(trials.values()))
    text = PAGE.format(ema_decay=start["recipe"]["ema_decay"], images=start["images"])
    for name, found in trials.items():
        recipe = found["recipe"]
        cells = [name.removeprefix("trial-malunet-"), differences(recipe, start["recipe"])]
        cells += [str(recipe["epochs"]), f"{found['hours']:.2f}"]
        for way in ("plain", "flips"):
            cells += [f"{found['scores'][way][key]:.4f}" for key in ("pooled_iou", "mean_iou")]
        text += "| " + " | ".join(cells) + " |\n"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of ISIC 2017")
    parser.add_argument("--runs", type=Path, required=True, help="folder of all runs")
    arguments = parser.parse_args()
    trials = {
        name: score(name, arguments.runs, arguments.data)
        for name, run in RUNS.items()
        if run.split == "paper73_part" and finished(arguments.runs / name)
    }
    data = {"provenance": provenance(), "trials": trials}
    write_result(RESULTS, data, page(data))


if __name__ == "__main__":
    main()
