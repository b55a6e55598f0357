"""Score the runs of gpu_training.py and write what they cost.

    python benchmarks/gpu_training_page.py --data FOLDER --runs RUNS --speeds SPEEDS

keeps the weights and the log of each run as benchmarks/accuracy_weights/RUN, and writes
docs/results/gpu_training.json and .md. ``--speeds`` is a folder with a provenance.json and with
folders of short runs, named after what ran beside them, whose logs say how fast each network
learns. What was scored before is not scored again while its weights are the same; ``--page`` only
writes the page.
"""

import argparse
import json
import shutil
import statistics
from pathlib import Path
from typing import Any

from accuracy import SHOWN, WEIGHTS
from accuracy_runs import hours, images
from gpu_training import EPOCHS, NETWORKS, RUNS
from provenance import provenance

from skinseg import Predictor, hub
from skinseg.evaluation import evaluate
from skinseg.files import write_atomically, write_json
from skinseg.pretrained import file_hash

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "gpu_training"
STEP_TIMES = RESULTS.with_name("gpu_step.json")
KEPT = (hub.CONFIG_NAME, hub.WEIGHTS_NAME, "provenance.json", "recipe.json", "log.json")
# The first epochs also load kernels and capture the step.
SETTLED = 1
PAGE = """# Training on a GPU

Written by `benchmarks/gpu_training_page.py` from `gpu_training.json` and `gpu_step.json`. Recipe
`skinseg` ({size} pixels, batches of {batch}, averaged weights) at {epochs} epochs, on one
{hardware} with PyTorch {torch}; convolutions in TF32, PyTorch's default.
`benchmarks/gpu_training.py` trains, several runs at once on the one GPU. Runs on the official split
also zoom by 0.8 to 1.6, as those of the weights that ship.

## Scores

Scores are of the lesion at 256x256, without flips: IoU and Dice pooled over all pixels, and IoU
averaged over images, with the 95 % interval over images (bootstrap). On the 650 test images of
paper73, which chose nothing, the last epoch is scored. On the 150 official validation images, the
epoch that was best on them is scored: those scores are a little too good, and compare runs rather
than promise anything.

| run | epochs run | kept | pooled IoU | pooled Dice | IoU per image | minutes | images/s |
|---|---|---|---|---|---|---|---|
{runs}

The number at the end of a run's name is its seed. Commit of all runs:
{commits}. Minutes are of the epochs alone, without
validation; images per second are the median over epochs. Up to seven runs shared the GPU through
NVIDIA's MPS; a run that was stopped and resumed had fewer beside it at its end. LMSAUNet was not
trained: at the time of a step below, 300 epochs take most of an hour alone. The weights and logs
are in `benchmarks/accuracy_weights/`.
"""
SPEEDS = """
## Speed with many processes

Images per second that one process learns from while sixteen train, four of each network: median
over epochs, the first one left out (commit {commit:.7}). Without MPS the processes take turns on
the GPU. Cells are empty where no second epoch ended within 45 seconds.

| network | {columns} |
|---|{lines}
{rows}
"""
STEPS = """
## One step, alone

Time of a step of eight images, without augmentation, of one process that has the GPU alone
(`benchmarks/gpu_step.py`): captured as a CUDA graph, as the trainer does, and launched kernel by
kernel. The gradients of the two differ by no more than {difference:.0e} of their norm, with
convolutions in float32, also for batches in two parts.

| network | captured, ms | plain, ms | ratio | images/s, captured |
|---|---|---|---|---|
{rows}
"""


def keep(run: Path) -> None:
    """Copy a run's weights, its log and what is known of it."""
    target = WEIGHTS / run.name
    target.mkdir(parents=True, exist_ok=True)
    for file in KEPT:
        write_atomically(target / file, lambda path, file=file: shutil.copyfile(run / file, path))
    write_json(target / "effort.json", {"hours": round(hours(run), 2)})


def score(name: str, data: Path) -> dict[str, Any]:
    """What a kept run was, and what its weights score on the held-out images."""
    folder, run = WEIGHTS / name, RUNS[name]
    model = f"local-dir:{folder.relative_to(ROOT)}"
    learned, held_out = images(run.split, data)
    report = evaluate(Predictor(model), held_out, sizes=("own",), gallery=0, progress=False)
    scores = report.summaries["own"].to_dict()["scores"]
    log = json.loads((folder / "log.json").read_text())
    speeds = [entry["images_per_second"] for entry in log[SETTLED:]]
    return {
        "run": name,
        "network": run.network,
        "split": run.split,
        "learned": len(learned),
        "images": len(held_out),
        "recipe": hub.read_local_dir(folder).recipe,
        "epochs_run": len(log),
        "minutes": round(sum(entry["seconds"] for entry in log) / 60, 2),
        "images_per_second": statistics.median(speeds),
        "provenance": json.loads((folder / "provenance.json").read_text()),
        "weights": file_hash(folder / hub.WEIGHTS_NAME),
        "scored_by": provenance(),
        "scores": {name: scores[name] for name in SHOWN},
    }


def speeds_of(folder: Path) -> dict[str, Any]:
    """Images per second of each network in short runs, by what ran beside it."""
    found: dict[str, dict[str, list[float]]] = {}
    for path in sorted(folder.glob("*/*/log.json")):
        network = RUNS[path.parent.name].network
        values = found.setdefault(path.parts[-3], {}).setdefault(network, [])
        log = json.loads(path.read_text())
        values += [entry["images_per_second"] for entry in log[SETTLED:]]
    speeds = {
        way: {network: statistics.median(values) for network, values in networks.items() if values}
        for way, networks in found.items()
    }
    origin = json.loads((folder / "provenance.json").read_text())
    return {"provenance": origin, "images_per_second": speeds}


def page(results: dict[str, Any]) -> str:
    """The tables for reading."""
    runs = results["runs"]
    recipe, origin = runs[0]["recipe"], runs[0]["provenance"]
    text = PAGE.format(
        size=recipe["size"],
        batch=recipe["batch_size"],
        epochs=EPOCHS,
        hardware=origin["hardware"],
        torch=origin["torch"],
        runs="\n".join(map(line, runs)),
        commits=", ".join(sorted({run["provenance"]["commit"] for run in runs})),
    )
    text += step_table(json.loads(STEP_TIMES.read_text())["networks"], recipe["batch_size"])
    if not results["speeds"]:
        return text
    ways = results["speeds"]["images_per_second"]
    rows = [
        [network, *(f"{s[network]:.0f}" if network in s else "" for s in ways.values())]
        for network in NETWORKS
    ]
    return text + SPEEDS.format(
        commit=results["speeds"]["provenance"]["commit"],
        columns=" | ".join(ways),
        lines="---|" * len(ways),
        rows="\n".join(f"| {' | '.join(row)} |" for row in rows),
    )


def step_table(networks: dict[str, dict[str, Any]], batch_size: int) -> str:
    """The table of step times."""
    rows, differences = [], []
    for network, found in networks.items():
        captured, plain = found["captured_ms"], found["plain_ms"]
        cells = [network, captured, plain, f"{plain / captured:.1f}"]
        cells.append(f"{batch_size * 1000 / captured:.0f}")
        rows.append(f"| {' | '.join(map(str, cells))} |")
        differences += [found["difference"], found["difference_two_parts"]]
    return STEPS.format(difference=max(differences), rows="\n".join(rows))


def line(run: dict[str, Any]) -> str:
    """A row of the table of scores."""
    cells = [
        run["run"],
        run["epochs_run"],
        run["recipe"]["epoch"],
        *(percent(run["scores"][name]) for name in ("pooled_iou", "pooled_dice", "mean_iou")),
        f"{run['minutes']:.1f}",
        f"{run['images_per_second']:.0f}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def percent(score: dict[str, float]) -> str:
    """A score with its interval."""
    return f"{100 * score['value']:.2f} [{100 * score['low']:.1f}, {100 * score['high']:.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with the ISIC 2017 folders")
    parser.add_argument("--runs", type=Path, help="folder of all runs")
    parser.add_argument("--speeds", type=Path, help="folder of short runs")
    parser.add_argument("--page", action="store_true", help="only write the page again")
    arguments = parser.parse_args()
    known = {"speeds": {}, "runs": []}
    path = RESULTS.with_suffix(".json")
    if path.is_file():
        known = json.loads(path.read_text())
    if arguments.speeds:
        known["speeds"] = speeds_of(arguments.speeds)
    if not arguments.page:
        for name in RUNS if arguments.runs else ():
            if (arguments.runs / name / hub.WEIGHTS_NAME).is_file():
                keep(arguments.runs / name)
        scored = {run["run"]: run for run in known["runs"]}
        kept = [name for name in sorted(RUNS, reverse=True) if (WEIGHTS / name).is_dir()]
        known["runs"] = []
        for name in kept:
            weights = file_hash(WEIGHTS / name / hub.WEIGHTS_NAME)
            same = scored.get(name, {}).get("weights") == weights
            known["runs"].append(scored[name] if same else score(name, arguments.data))
    write_json(path, known)
    text = page(known)
    write_atomically(
        RESULTS.with_suffix(".md"), lambda copy: copy.write_text(text, encoding="utf-8")
    )


if __name__ == "__main__":
    main()
