"""Score the finished runs of accuracy_runs.py, and keep their weights.

    python benchmarks/accuracy.py --data FOLDER --runs RUNS

writes docs/results/accuracy.json, which ``make results`` turns into docs/results/accuracy.md, and
benchmarks/accuracy_weights/RUN, a folder for each run that ``skinseg evaluate`` can load.
"""

import argparse
import json
import shutil
from pathlib import Path

from accuracy_runs import RUNS, images
from provenance import provenance

from skinseg import Predictor, hub
from skinseg.evaluation import evaluate
from skinseg.files import write_atomically, write_json

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "accuracy.json"
WEIGHTS = Path(__file__).with_name("accuracy_weights")
SHOWN = ("pooled_iou", "pooled_dice", "pooled_accuracy", "pooled_sensitivity")
SHOWN += ("pooled_specificity", "mean_iou", "mean_dice", "mean_isic_score")


def finished(folder: Path, name: str) -> bool:
    """Whether all epochs of a run are done."""
    log = folder / name / "log.json"
    return log.is_file() and len(json.loads(log.read_text())) == RUNS[name].recipe.epochs


def measure(name: str, runs: Path, data: Path) -> dict:
    """Return what a run was, and what its weights score on the held-out images at 256x256."""
    folder, run = runs / name, RUNS[name]
    recipe = json.loads((folder / "recipe.json").read_text())["recipe"]
    log = json.loads((folder / "log.json").read_text())
    learned, held_out = images(run.split, data)
    report = evaluate(
        Predictor(f"local-dir:{folder}"), held_out, sizes=("own",), gallery=0, progress=False
    )
    scores = report.summaries["own"].to_dict()["scores"]
    return {
        "run": name,
        "network": run.network,
        "split": run.split,
        "kind": run.kind,
        "seed": recipe["seed"],
        "learned": len(learned),
        "images": report.images,
        "epoch": hub.read_local_dir(folder).recipe["epoch"],
        "epochs": recipe["epochs"],
        "size": recipe["size"],
        "recipe": recipe,
        "teacher": run.teacher,
        "hours": round(sum(entry["seconds"] for entry in log) / 3600, 2),
        "provenance": json.loads((folder / "provenance.json").read_text()),
        "scores": {key: scores[key] for key in SHOWN if key in scores},
    }


def keep(name: str, runs: Path) -> None:
    """Copy a run's weights, and their record, which names no folder of this machine."""
    target = WEIGHTS / name
    target.mkdir(parents=True, exist_ok=True)
    for file in (hub.CONFIG_NAME, hub.WEIGHTS_NAME):
        source = runs / name / file
        write_atomically(target / file, lambda path, source=source: shutil.copyfile(source, path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of ISIC 2017")
    parser.add_argument("--runs", type=Path, required=True, help="folder of all runs")
    arguments = parser.parse_args()
    rows = []
    for name in RUNS:
        if finished(arguments.runs, name):
            rows.append(measure(name, arguments.runs, arguments.data))
            keep(name, arguments.runs)
            print(f"{name}: pooled IoU {rows[-1]['scores']['pooled_iou']['value']:.4f}")
    write_json(RESULTS, {"provenance": provenance(), "runs": rows})


if __name__ == "__main__":
    main()
