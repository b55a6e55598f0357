"""Keep what training runs showed, the abandoned ones too.

    python benchmarks/collect_runs.py runs/*

writes docs/results/training_runs.json and .md: what each run set differently from the reference
recipe, and how its validation scores went.
"""

import argparse
import json
from pathlib import Path

from skinseg.files import write_atomically, write_json
from skinseg.training import Recipe

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "training_runs"
PAGE = """# Training runs

Written by `benchmarks/collect_runs.py`. Runs on the 2,000 training images of ISIC 2017, the
abandoned ones too. Scores are pooled lesion IoU on the 150 validation images at the size of the
last column, of the weights that the run would keep; they chose among epochs and runs, so they
compare runs and promise nothing for new images. One seed each: differences below 0.01 say little.

| run | network | differs from `Recipe()` in | epochs run | best IoU | at epoch | last IoU | size |
|---|---|---|---|---|---|---|---|
"""


def summary(folder: Path) -> dict:
    """What a run's folder says of it."""
    recipe = json.loads((folder / "recipe.json").read_text())
    origin = json.loads((folder / "provenance.json").read_text())
    log = json.loads((folder / "log.json").read_text())
    reference = Recipe().to_dict()
    scores = [round(entry["validation"]["pooled_iou"], 4) for entry in log]
    initial = origin.get("initial")
    return {
        "run": folder.name,
        "network": "EGE-UNet" if "deep_supervision" in recipe["model"] else "MALUNet",
        "commit": origin["commit"],
        "settings": {k: v for k, v in recipe.items() if k in reference and v != reference[k]},
        "initial": initial and {key: initial[key] for key in ("commit",)},
        "size": recipe["size"],
        "epochs_planned": recipe["epochs"],
        "pooled_iou": scores,
    }


def line(run: dict) -> str:
    """A row of the page."""
    settings = ", ".join(f"{key} {value}" for key, value in run["settings"].items()) or "nothing"
    if run["initial"]:
        settings = f"begins with another run's weights; {settings}"
    scores = run["pooled_iou"]
    epochs = f"{len(scores)} of {run['epochs_planned']}"
    best = max(scores)
    cells = [run["run"], run["network"], settings, epochs, best, scores.index(best) + 1, scores[-1]]
    return "| " + " | ".join(str(cell) for cell in [*cells, run["size"]]) + " |\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    runs = [summary(folder) for folder in parser.parse_args().runs]
    write_json(RESULTS.with_suffix(".json"), runs)
    page = PAGE + "".join(map(line, runs))
    write_atomically(
        RESULTS.with_suffix(".md"), lambda temporary: temporary.write_text(page, encoding="utf-8")
    )


if __name__ == "__main__":
    main()
