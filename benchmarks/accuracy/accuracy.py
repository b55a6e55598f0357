"""Score finished training runs on the 7:3 split, and the weights that ship.

    python benchmarks/accuracy/accuracy.py --data FOLDER --runs RUNS

writes docs/results/accuracy.json, which ``make results`` turns into docs/results/accuracy.md, and
keeps the weights of each run as benchmarks/accuracy/weights/RUN. What was scored before is not
scored again while its weights are the same; ``--rescore`` scores everything.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, ROOT
from benchmarks.weights.runs import RUNS, finished, hours
from benchmarks.weights.splits import open_split
from skinseg import Predictor, get_pretrained_cfg, hub, list_pretrained
from skinseg.data import SegmentationDataset
from skinseg.evaluation import evaluate
from skinseg.files import write_atomically, write_json
from skinseg.pretrained import file_hash

RESULTS = FOLDER / "accuracy.json"
WEIGHTS = Path(__file__).with_name("weights")
SHOWN = (
    "pooled_iou",
    "pooled_dice",
    "pooled_accuracy",
    "pooled_sensitivity",
    "pooled_specificity",
    "mean_iou",
    "mean_dice",
    "mean_thresholded_jaccard",
)

Row = dict[str, Any]


def keep_weights(run: Path) -> None:
    """Copy a finished run's weights and what is known of it."""
    target = WEIGHTS / run.name
    target.mkdir(parents=True, exist_ok=True)
    for file in (hub.CONFIG_NAME, hub.WEIGHTS_NAME, "provenance.json"):
        write_atomically(target / file, lambda path, file=file: shutil.copyfile(run / file, path))
    write_json(target / "effort.json", {"hours": round(hours(run), 2)})


def score(model: str, split: str, data: Path) -> Row:
    """Score weights on a split's held-out images at 256x256, the size of the files."""
    train_set, held_out = open_split(split, data)
    scores, with_flips = (
        own_size_scores(Predictor(model, tta=tta), held_out) for tta in (False, True)
    )
    print(f"{model}: pooled IoU {scores['pooled_iou']['value']:.4f}")
    return {
        "scored_by": provenance(),
        "split": split,
        "learned": len(train_set),
        "images": len(held_out),
        "scores": scores,
        "scores_with_flips": with_flips,
    }


def own_size_scores(predictor: Predictor, held_out: SegmentationDataset) -> Row:
    """What a predictor scores at the images' own size, each score with its interval."""
    report = evaluate(predictor, held_out, sizes=("own",), progress=False)
    scores = report.summaries["own"].to_dict()["scores"]
    return {name: scores[name] for name in SHOWN}


def score_run(name: str, data: Path, known: Row | None) -> Row:
    """What a run was, and what its weights score."""
    folder, run = WEIGHTS / name, RUNS[name]
    model = f"local-dir:{folder.relative_to(ROOT)}"
    weights = file_hash(folder / hub.WEIGHTS_NAME)
    if known is not None and known.get("weights") == weights:
        return {**known, "model": model}  # The folder may have moved.
    return {
        "run": name,
        "network": run.network,
        "kind": run.kind,
        "teacher": run.teacher,
        "recipe": hub.read_local_dir(folder).recipe,
        **json.loads((folder / "effort.json").read_text()),
        "provenance": json.loads((folder / "provenance.json").read_text()),
        "weights": weights,
        "model": model,
        **score(model, run.split, data),
    }


def score_shipped(name: str, data: Path, known: Row | None) -> Row:
    """What weights of the package score; the rest is in their record."""
    record = get_pretrained_cfg(name)
    assert record is not None, name
    if known is not None and known.get("weights") == record.sha256:
        return known
    return {
        "network": record.architecture,
        "recipe": record.recipe,
        "weights": record.sha256,
        "model": name,
        **score(name, "official", data),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of ISIC 2017")
    parser.add_argument("--runs", type=Path, help="folder of all runs")
    parser.add_argument("--rescore", action="store_true", help="score what was scored before, too")
    arguments = parser.parse_args()
    for name, run in RUNS.items() if arguments.runs else ():
        # Weights of the official split are kept in the package if they are worth it.
        if run.split == "paper73" and finished(arguments.runs / name):
            keep_weights(arguments.runs / name)
    known: dict[str, Row] = {}
    if RESULTS.is_file() and not arguments.rescore:
        recorded = json.loads(RESULTS.read_text())
        known = {row["run"]: row for row in recorded["runs"]}
        known |= {row["model"]: row for row in recorded["shipped"]}
    data = arguments.data
    runs = [score_run(name, data, known.get(name)) for name in RUNS if (WEIGHTS / name).is_dir()]
    shipped = [score_shipped(name, data, known.get(name)) for name in list_pretrained("*.isic2017")]
    write_json(RESULTS, {"runs": runs, "shipped": shipped})


if __name__ == "__main__":
    main()
