"""What finished trainings scored: beside the runs, and kept in the repository."""

import contextlib
import dataclasses
import fcntl
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.accuracy.accuracy import WEIGHTS
from benchmarks.protocol.jobs import RECIPE, TABLE, Job
from benchmarks.provenance import provenance
from benchmarks.weights.runs import RUNS, epochs_done, hours
from benchmarks.weights.splits import open_split
from skinseg import Predictor, hub
from skinseg.evaluation import Case, evaluate
from skinseg.files import write_text
from skinseg.models import SegmentationModel
from skinseg.pretrained import file_hash
from skinseg.training import MemoryDataset, Recipe, validate

KEPT = Path(__file__).with_name("scores")
FILE = "scores.json"
# Settings that do not change what is learned, or that differ by design.
FREE = ("seed", "channels_last", "learning_rate")
OVERLAP = ("true_positives", "false_positives", "false_negatives", "true_negatives")
DISTANCES = ("hd95", "surface_dice")

Record = dict[str, Any]


def write_record(path: Path, record: Record) -> None:
    """Write a record as JSON, a line per entry: a list of all images is one line."""
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in record.items())
    write_text(path, f"{{\n{lines}\n}}\n")


class Records:
    """The records of the runs in a folder, and those that the repository keeps.

    Args:
        runs: Folder of all runs.
    """

    def __init__(self, runs: Path) -> None:
        self.runs = runs

    def find(self, job: Job) -> Record | None:
        """Return a job's record, if it is done with that learning rate."""
        for path in (self.runs / job.name / FILE, KEPT / f"{job.name}.json"):
            if path.is_file():
                record: Record = json.loads(path.read_text(encoding="utf-8"))
                if record["rate"] == job.rate:
                    return record
        return None

    def trial_score(self, job: Job) -> float | None:
        """Score of a finished trial on the images held out for it."""
        record = self.find(job)
        return None if record is None else float(record["held_out_iou"])

    def is_done(self, job: Job) -> bool:
        """Whether a training is finished and scored, or was once for another page."""
        return self.find(job) is not None or trained_before(job) is not None

    @contextlib.contextmanager
    def claim(self, job: Job) -> Iterator[bool]:
        """Hold a job, so that no other process trains it; the system lets go of it at our end.

        Yields:
            Whether the job is ours: not done, and held by no one else.
        """
        folder = self.runs / job.name
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield self.find(job) is None

    def epochs_done(self, job: Job) -> int:
        """How many epochs of a run there are to go on from."""
        run = self.runs / job.name
        return epochs_done(run) if (run / "checkpoint.pt").is_file() else 0

    def write(self, job: Job, record: Record) -> None:
        """Write a job's record beside its run."""
        write_record(self.runs / job.name / FILE, record)


def trained_before(job: Job) -> Path | None:
    """Return the folder with the weights of a run that was trained exactly like the job."""
    if job.split != TABLE:
        return None
    return _earlier_runs().get((job.network, job.rate, job.seed))


@functools.cache
def _earlier_runs() -> dict[tuple[str, float, int | None], Path]:
    wanted = _fixed(RECIPE.to_dict())
    found: dict[tuple[str, float, int | None], Path] = {}
    for name, run in RUNS.items():
        plain = run.split == "paper73" and run.teacher is None and run.initial is None
        if plain and (WEIGHTS / name).is_dir() and _fixed(run.recipe.to_dict()) == wanted:
            found[run.network, run.recipe.learning_rate, run.recipe.seed] = WEIGHTS / name
    return found


def _fixed(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in FREE}


def trial_record(job: Job, network: SegmentationModel, data: Path, device: str) -> Record:
    """Score a trial's network on the images held out for it, at the size that it learned at."""
    train_set, held_out = open_split(job.run.split, data)
    recipe: Recipe = job.run.recipe
    images = MemoryDataset(held_out, recipe.size, device=device, progress=False)
    scores = validate(network, images, recipe.normalization).scores
    return {
        **_origin(job),
        "recipe": recipe.to_dict(),
        "learned": len(train_set),
        "images": len(held_out),
        "held_out_iou": scores.pooled_iou,
    }


def shipped_record(job: Job, folder: Path) -> Record:
    """The record of weights that may ship; bundle_weights.py scores them when they do."""
    trained = hub.read_local_dir(folder)
    return {**_origin(job), "hours": hours(folder), "metrics": trained.metrics}


def diverged_record(job: Job) -> Record:
    """The record of a trial whose loss was no longer a number."""
    return {**_origin(job), "recipe": job.run.recipe.to_dict(), "held_out_iou": 0.0}


def run_record(job: Job, folder: Path, data: Path, device: str) -> Record:
    """Score a run on the test images at 256x256, the size of the files.

    Args:
        job: What was trained.
        folder: Weights with their record; of a run beside its log, or as accuracy.py keeps them.
        data: The ISIC 2017 folders.
        device: Where to segment.
    """
    train_set, held_out = open_split(job.run.split, data)
    predictor = Predictor(f"local-dir:{folder}", device=device)
    report = evaluate(predictor, held_out, sizes=("own",), progress=False)
    effort = folder / "effort.json"
    return {
        **_origin(job),
        "recipe": hub.read_local_dir(folder).recipe,
        "trained_by": json.loads((folder / "provenance.json").read_text()),
        "hours": json.loads(effort.read_text())["hours"] if effort.is_file() else hours(folder),
        "weights": file_hash(folder / hub.WEIGHTS_NAME),
        "scored_by": provenance(),
        "learned": len(train_set),
        "images": len(held_out),
        "scores": report.summaries["own"].to_dict()["scores"],
        "cases": case_columns(report.cases["own"]),
    }


def _origin(job: Job) -> Record:
    return {"run": job.name, **dataclasses.asdict(job)}


def case_columns(cases: list[Case]) -> dict[str, list[Any]]:
    """What the page and its comparisons need of each image."""
    counts = zip(*(case.counts.tolist() for case in cases), strict=True)
    return {
        "id": [case.id for case in cases],
        **dict(zip(OVERLAP, map(list, counts), strict=True)),
        **{name: [round(case.scores[name], 4) for case in cases] for name in DISTANCES},
    }
