"""Keep what training runs showed, the abandoned ones too.

    python benchmarks/weights/collect_runs.py RUNS/official-*

adds to docs/results/training_runs.json and writes training_runs.md from it: what each run set
differently from the reference recipe, and how its validation scores went.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.results import FOLDER, write_result
from benchmarks.weights.runs import RUNS
from skinseg import hub
from skinseg.training import Recipe

RESULTS = FOLDER / "training_runs"
PAGE = """# Training runs

Written by `benchmarks/weights/collect_runs.py`. Runs on the training images of ISIC 2017, the
abandoned ones too. Scores are pooled lesion IoU on the 150 validation images at the size of the
last column, of the weights that the run would keep; they chose among epochs and runs, so they
compare runs and promise nothing for new images. One seed each: differences below 0.01 say little.

| run | network | differs from `Recipe()` in | epochs run | best IoU | at epoch | last IoU | size |
|---|---|---|---|---|---|---|---|
"""


def summary(folder: Path) -> dict[str, Any]:
    """What a run's folder says of it."""
    settings = json.loads((folder / "recipe.json").read_text())
    origin = json.loads((folder / "provenance.json").read_text())
    log = json.loads((folder / "log.json").read_text())
    # The protocol's runs are planned elsewhere, and begin with nothing.
    planned = RUNS.get(folder.name)
    recipe, reference = settings["recipe"], {"optimizer": "adamw", **Recipe().to_dict()}
    if "optimizer" in settings:  # It is none of those that a recipe names.
        recipe = {**recipe, "optimizer": settings["optimizer"]}
    known = {key: value for key, value in recipe.items() if key in reference}
    changed = {key: value for key, value in known.items() if value != reference[key]}
    if "augmentation" in changed:
        plain = reference["augmentation"]
        changes = changed.pop("augmentation").items()
        changed |= {key: value for key, value in changes if value != plain[key]}
    return {
        "run": folder.name,
        "network": hub.read_local_dir(folder).architecture,
        "commit": origin["commit"],
        "settings": changed,
        "teacher": None if planned is None else planned.teacher,
        "initial": {"run": planned.initial} if planned and planned.initial else None,
        "size": recipe["size"],
        "epochs_planned": recipe["epochs"],
        "pooled_iou": [round(entry["validation"]["pooled_iou"], 4) for entry in log],
    }


def page(runs: list[dict[str, Any]]) -> str:
    """Return the page made from the figures."""
    return PAGE + "".join(map(_line, runs))


def _line(run: dict[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in run["settings"].items()) or "nothing"
    if run.get("teacher"):
        settings = f"teachers ({run['teacher']}); {settings}"
    if run["initial"]:
        settings = f"begins with {run['initial'].get('run', 'another run')}'s weights; {settings}"
    scores = run["pooled_iou"]
    epochs = f"{len(scores)} of {run['epochs_planned']}"
    best = max(scores)
    cells = [run["run"], run["network"], settings, epochs, best, scores.index(best) + 1, scores[-1]]
    return "| " + " | ".join(str(cell) for cell in [*cells, run["size"]]) + " |\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="folders written by train_run.py")
    folders = parser.parse_args().runs
    for folder in folders:
        log = folder / "log.json"
        if not log.is_file() or "validation" not in json.loads(log.read_text())[-1]:
            parser.error(f"{folder} is no run with validation scores")
    known = json.loads(RESULTS.with_suffix(".json").read_text())
    runs = {run["run"]: run for run in known}
    runs |= {folder.name: summary(folder) for folder in folders}
    write_result(RESULTS, list(runs.values()), page(list(runs.values())))


if __name__ == "__main__":
    main()
