"""Score the finished runs of accuracy_runs.py and the weights that ship.

    python benchmarks/accuracy.py --data FOLDER --runs RUNS

writes docs/results/accuracy.json, which ``make results`` turns into docs/results/accuracy.md, and
keeps the weights of each run as benchmarks/accuracy_weights/RUN. A run that was
scored before is not scored again while its weights are the same; ``--anew`` scores everything.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from accuracy_runs import RUNS, hours, images
from provenance import provenance

from skinseg import Predictor, get_pretrained_cfg, hub, list_pretrained
from skinseg.data import PairDataset
from skinseg.evaluation import evaluate
from skinseg.files import write_atomically, write_json
from skinseg.pretrained import file_hash

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "accuracy.json"
WEIGHTS = Path(__file__).with_name("accuracy_weights")
SHOWN = ("pooled_iou", "pooled_dice", "pooled_accuracy", "pooled_sensitivity")
SHOWN += ("pooled_specificity", "mean_iou", "mean_dice", "mean_thresholded_jaccard")


def keep(run: Path) -> None:
    """Copy a finished run's weights and what is known of it."""
    target = WEIGHTS / run.name
    target.mkdir(parents=True, exist_ok=True)
    for file in (hub.CONFIG_NAME, hub.WEIGHTS_NAME, "provenance.json"):
        write_atomically(target / file, lambda path, file=file: shutil.copyfile(run / file, path))
    write_json(target / "effort.json", {"hours": round(hours(run), 2)})


def finished(run: Path) -> bool:
    """Whether all epochs of a run are done."""
    log = run / "log.json"
    return log.is_file() and len(json.loads(log.read_text())) == RUNS[run.name].recipe.epochs


def score(model: str, split: str, data: Path) -> dict[str, Any]:
    """Score weights on a split's held-out images at 256x256, the size of the files."""
    learned, held_out = images(split, data)
    scores, with_flips = (_scores(Predictor(model, tta=tta), held_out) for tta in (False, True))
    print(f"{model}: pooled IoU {scores['pooled_iou']['value']:.4f}")
    return {
        "model": model,
        "scored_by": provenance(),
        "split": split,
        "learned": len(learned),
        "images": len(held_out),
        "scores": scores,
        "scores_with_flips": with_flips,
    }


def _scores(predictor: Predictor, held_out: PairDataset) -> dict[str, Any]:
    report = evaluate(predictor, held_out, sizes=("own",), progress=False)
    scores = report.summaries["own"].to_dict()["scores"]
    return {name: scores[name] for name in SHOWN}


def of_run(name: str, data: Path, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What a run was, and what its weights score."""
    folder, run = WEIGHTS / name, RUNS[name]
    recipe = hub.read_local_dir(folder).recipe
    model = f"local-dir:{folder.relative_to(ROOT)}"
    weights = file_hash(folder / hub.WEIGHTS_NAME)
    if name in known and known[name].get("weights") == weights:
        return known[name]
    return {
        "run": name,
        "network": run.network,
        "kind": run.kind,
        "teacher": run.teacher,
        "recipe": recipe,
        **json.loads((folder / "effort.json").read_text()),
        "provenance": json.loads((folder / "provenance.json").read_text()),
        "weights": weights,
        **score(model, run.split, data),
    }


def of_shipped(name: str, data: Path) -> dict[str, Any]:
    """What weights of the package score; the rest stands in their record."""
    record = get_pretrained_cfg(name)
    return {
        "network": record.architecture,
        "recipe": record.recipe,
        **score(name, "official", data),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of ISIC 2017")
    parser.add_argument("--runs", type=Path, help="folder of all runs")
    parser.add_argument("--anew", action="store_true", help="score what was scored before, too")
    arguments = parser.parse_args()
    for name, run in RUNS.items() if arguments.runs else ():
        # Of the official split, what is worth keeping ships with the package.
        if run.split == "paper73" and finished(arguments.runs / name):
            keep(arguments.runs / name)
    known = {}
    if RESULTS.is_file() and not arguments.anew:
        known = {row["run"]: row for row in json.loads(RESULTS.read_text())["runs"]}
    data = arguments.data
    runs = [of_run(name, data, known) for name in RUNS if (WEIGHTS / name).is_dir()]
    shipped = [of_shipped(name, data) for name in list_pretrained("*.isic2017")]
    write_json(RESULTS, {"runs": runs, "shipped": shipped})


if __name__ == "__main__":
    main()
