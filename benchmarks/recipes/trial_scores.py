"""Score the trials among the training runs on the fifth of the images that they held out.

    python benchmarks/recipes/trial_scores.py --data FOLDER --runs RUNS

writes docs/results/trial_runs.json and the page made from it, trial_runs.md.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from benchmarks.accuracy.accuracy import own_size_scores
from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, write_result
from benchmarks.weights.runs import RUNS, Run, finished, hours
from benchmarks.weights.splits import open_split
from skinseg import Predictor, hub
from skinseg.data import SegmentationDataset

RESULTS = FOLDER / "trial_runs"
# A column of its own, and the memory layout, which does not change what is learned.
UNSAID = ("epochs", "channels_last")
SEEDS = [f"trial-malunet-128-longer{end}" for end in ("", "-1", "-2")]
# Runs that began alike, as one network whose weights are the mean of theirs.
AVERAGED = {"trial-malunet-128-branches": [f"trial-malunet-128-branch-{n}" for n in (1, 2, 3)]}
PAGE = """# Trial runs

Written by `benchmarks/recipes/trial_scores.py`. MALUNet, the paper's recipe with a cosine that
falls once and averaged weights (decay {ema_decay}), and the changes named; trained on 1,200 of the
1,500 training images of paper73 and scored on the other {images}, so that the 650 test images
choose nothing. Pooled lesion IoU and mean IoU of the images, of the last epoch, at 256x256; "flips"
averages over the four flips. One seed each;
{noise}.
Where `soft_weight` is above 0, that fraction of the mask to learn is what teachers say of the image
(`benchmarks/recipes/teachers.py`), who have learned from images that are held out here.

| trial | differs in | epochs | hours | pooled IoU | mean IoU | pooled, flips | mean, flips |
|---|---|---|---|---|---|---|---|
"""


def score_run(name: str, runs: Path, held_out: SegmentationDataset) -> dict[str, Any]:
    """What a run changes, what it cost, and what its weights score."""
    run, folder = RUNS[name], runs / name
    return {
        "images": len(held_out),
        "recipe": run.recipe.to_dict(),
        "beyond_recipe": beyond_recipe(run),
        "hours": round(hours(folder), 2),
        "provenance": json.loads((folder / "provenance.json").read_text()),
        "scored_by": provenance(),
        "scores": score(folder, held_out),
    }


def score_average(
    names: Sequence[str], scored: dict[str, Any], runs: Path, held_out: SegmentationDataset
) -> dict[str, Any]:
    """The same of the mean of several runs' weights; the runs are scored already."""
    short = [name.removeprefix("trial-malunet-") for name in names]
    with tempfile.TemporaryDirectory() as folder:
        write_average([runs / name for name in names], Path(folder))
        return {
            **scored[names[0]],
            "beyond_recipe": [f"the mean of the weights of {', '.join(short)}"],
            "hours": round(sum(hours(runs / name) for name in names), 2),
            "scored_by": provenance(),
            "scores": score(Path(folder), held_out),
        }


def write_average(runs: Sequence[Path], folder: Path) -> None:
    """Write the mean of several runs' weights; none of them has BatchNorm, whose mean is none."""
    weights = [load_file(run / hub.WEIGHTS_NAME) for run in runs]
    mean = {key: torch.stack([one[key] for one in weights]).mean(0) for key in weights[0]}
    hub.write_local_dir(folder, hub.read_local_dir(runs[0]), mean)


def score(folder: Path, held_out: SegmentationDataset) -> dict[str, dict[str, float]]:
    """What weights score without and with flips."""
    scores = {}
    for way in ("plain", "flips"):
        predictor = Predictor(f"local-dir:{folder}", tta=way == "flips")
        found = own_size_scores(predictor, held_out)
        scores[way] = {key: found[key]["value"] for key in ("pooled_iou", "mean_iou")}
    print(folder.name, scores)
    return scores


def beyond_recipe(run: Run) -> list[str]:
    """What is different about a run that its recipe does not say."""
    said = []
    if run.initial:
        said.append(f"begins with the weights of {run.initial.removeprefix('trial-malunet-')}")
    if run.corrupted:
        said.append("every image a second time, with a defect")
    if run.optimizer:
        said.append(f"{run.optimizer.capitalize()} in place of AdamW")
    return said


def differences(recipe: dict[str, Any], start: dict[str, Any]) -> str:
    """The settings that are not those of the first trial, nested ones by their own names."""
    found: dict[str, Any] = {}
    for key, value in recipe.items():
        if isinstance(value, dict):
            inner = value.items()
            found |= {name: item for name, item in inner if item != start[key].get(name)}
        elif value != start.get(key) and key not in UNSAID:
            found[key] = value
    return ", ".join(f"{name} {_short(value)}" for name, value in found.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def noise(trials: dict[str, Any]) -> str:
    """How far runs are apart that differ in their seed alone, in words."""
    seeds = [found for name, found in trials.items() if name in SEEDS]
    ways = [found["scores"]["plain"] for found in seeds]
    apart = {key: max(w[key] for w in ways) - min(w[key] for w in ways) for key in ways[0]}
    return (
        f"{len(seeds)} runs that differ in their seed alone are {apart['pooled_iou']:.4f} and "
        f"{apart['mean_iou']:.4f} apart"
    )


def page(data: dict[str, Any]) -> str:
    """Return the page made from the figures."""
    trials = data["trials"]
    start = next(iter(trials.values()))
    text = PAGE.format(
        ema_decay=start["recipe"]["ema_decay"], images=start["images"], noise=noise(trials)
    )
    for name, found in trials.items():
        recipe = found["recipe"]
        changes = [differences(recipe, start["recipe"]), *found.get("beyond_recipe", [])]
        cells = [name.removeprefix("trial-malunet-")]
        cells.append("; ".join(filter(None, changes)) or "nothing")
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
    runs = arguments.runs
    _, held_out = open_split("paper73_part", arguments.data)
    trials = json.loads(RESULTS.with_suffix(".json").read_text())["trials"]
    for name, run in RUNS.items():
        if run.split == "paper73_part" and name not in trials and finished(runs / name):
            trials[name] = score_run(name, runs, held_out)
    for name, members in AVERAGED.items():
        if name not in trials and all(finished(runs / member) for member in members):
            trials[name] = score_average(members, trials, runs, held_out)
    data = {"trials": trials}
    write_result(RESULTS, data, page(data))


if __name__ == "__main__":
    main()
