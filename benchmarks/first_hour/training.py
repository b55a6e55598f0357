"""The second chapter: a training that is interrupted, and goes on as if it had not been."""

import json
from pathlib import Path
from typing import Any

from benchmarks.first_hour.files import digests
from benchmarks.first_hour.messy_folder import LEFT_OUT, NAME
from benchmarks.first_hour.terminal import Interruption, Terminal, require

RUN = "runs/first"
OPTIONS = ("--model", "basic_unet_sab", "--size", 64, "--epochs", 2, "--batch-size", 2)
OPTIONS = (*OPTIONS, "--device", "cpu")
LOADING = Interruption("while torch is being loaded", lambda pid, _: _maps(pid, "libtorch"))
AFTER_AN_EPOCH = Interruption("after the first epoch", lambda _, said: "epoch 1 of 2" in said)
FILES = {
    *("plan.json", "recipe.json", "log.json", "log.csv", "checkpoint.pt"),
    *("model.safetensors", "config.json", "report.html"),
}


def train_and_go_on(terminal: Terminal) -> None:
    """Train two epochs, once without and once with Ctrl-C, to the same weights."""
    command = ("train", "--data", NAME, *OPTIONS, "--output", RUN)
    mine = digests(terminal.folder / NAME)
    left_out = ["Left out, 5 images:", *LEFT_OUT]
    dry = f"Dry run: two steps went well; nothing was written to '{RUN}'."
    terminal.run(
        *command,
        "--dry-run",
        says=[*left_out, "Plan: 29 training images, 7 validation images", dry],
    )
    loading = "Error: interrupted while modules were loading; the files that are there are whole."
    terminal.run(*command, status=130, says=[loading], only=True, interrupt=LOADING)
    require(not (terminal.folder / "runs").exists(), "a run was begun")

    whole = (*command[:-1], "runs/uninterrupted")
    ends = ("epoch 2 of 2: loss", "Best epoch: ", "Report: runs/uninterrupted/report.html")
    use = "Use it: skinseg predict IMAGES --model local-dir:runs/uninterrupted --output MASKS"
    terminal.run(*whole, says=[*left_out, "Estimated time: ", "epoch 1 of 2: loss", *ends, use])

    stopped = "Error: stopped; the same command with --resume goes on."
    terminal.run(*command, status=130, says=[stopped], interrupt=AFTER_AN_EPOCH)
    holds = f"'{RUN}' holds a training run already; --resume goes on with it, another --output "
    terminal.refuses(*command, says=f"{holds}leaves it alone.")
    begun = f"'{RUN}' was begun with --epochs 2, not 5; leave --epochs out, or choose another "
    terminal.refuses(*command, "--resume", "--epochs", 5, says=f"{begun}--output.")
    going_on = f"Going on with the run in '{RUN}', planned so: 29 training images"
    terminal.run(*command, "--resume", says=[*left_out, going_on, "Best epoch: "])
    first, other = terminal.folder / RUN, terminal.folder / "runs" / "uninterrupted"
    require({path.name for path in first.iterdir()} == FILES, "other files than those of a run")
    for name in ("model.safetensors", "plan.json", "recipe.json"):
        require((first / name).read_bytes() == (other / name).read_bytes(), f"{name} differs")
    require(_scores(first) == _scores(other), "the scores of the epochs differ")
    require(digests(terminal.folder / NAME) == mine, "the user's files changed")


def _scores(run: Path) -> list[Any]:
    log = json.loads((run / "log.json").read_text(encoding="utf-8"))
    return [(entry["epoch"], entry["loss"], entry["validation"]) for entry in log]


def _maps(pid: int, library: str) -> bool:
    """Whether a process has loaded a library; Linux tells."""
    try:
        return library in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    except OSError:
        return False
