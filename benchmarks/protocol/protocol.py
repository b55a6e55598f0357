"""Train every network by one protocol, one after the other; go on where it stopped.

    python benchmarks/protocol/protocol.py --data FOLDER --runs RUNS

trains what is not trained yet, the cheapest networks first, scores each on the 650 test images,
and writes docs/results/networks.json, .md and .svg when nothing is left. It may be stopped and
started again at any time; networks.py writes the page of what is done so far.
"""

import argparse
import contextlib
import fcntl
import fnmatch
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.protocol import networks as page
from benchmarks.protocol.jobs import Job, networks, pending
from benchmarks.protocol.records import Records, diverged_record, run_record, trial_record
from benchmarks.weights.train_run import train_run


class Busy(RuntimeError):
    """Another process trains into the same folder."""


@contextlib.contextmanager
def only_one(runs: Path) -> Iterator[None]:
    """Hold the folder of all runs; the system lets go of it when the process ends, however.

    Raises:
        Busy: If another process holds it.
    """
    runs.mkdir(parents=True, exist_ok=True)
    with (runs / "protocol.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                f"another process trains into {runs}; wait for it, stop it, or name another folder"
            ) from None
        yield


def do(job: Job, records: Records, data: Path, device: str) -> None:
    """Train a job to its end and score it."""
    try:
        network = train_run(job.name, job.run, data, records.runs, device=device)
    except FloatingPointError:
        if job.seed is not None:
            raise
        # A learning rate that is too high, which is what the trial asks.
        records.write(job, diverged_record(job))
        return
    if job.seed is None:
        record = trial_record(job, network, data, device)
    else:
        record = run_record(job, records.runs / job.name, data, device)
    records.write(job, record)


def train_all(
    records: Records, data: Path, device: str, wanted: Sequence[str]
) -> dict[str, Exception]:
    """Train and score everything that is left.

    Args:
        records: What is done already.
        data: The ISIC 2017 folders.
        device: Where to train.
        wanted: Networks to train.

    Returns:
        What failed, by the job's name. The others are trained all the same.
    """
    failed: dict[str, Exception] = {}
    while (job := next(pending(records, wanted, failed), None)) is not None:
        print(f"{job.name}, learning rate {job.rate:g}", flush=True)
        try:
            do(job, records, data, device)
        except Exception as error:
            traceback.print_exc()
            failed[job.name] = error
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of ISIC 2017")
    parser.add_argument("--runs", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--networks", nargs="+", default=["*"], help="names or patterns of those to train; all"
    )
    arguments = parser.parse_args()
    wanted = [n for n in networks() if any(fnmatch.fnmatch(n, p) for p in arguments.networks)]
    if not wanted:
        parser.error(f"no network is called {' or '.join(arguments.networks)}")
    try:
        with only_one(arguments.runs):
            failed = train_all(Records(arguments.runs), arguments.data, arguments.device, wanted)
    except Busy as error:
        parser.exit(1, f"{error}\n")
    page.write(arguments.data, arguments.runs, arguments.device)
    for name, reason in failed.items():
        print(f"{name} failed: {reason}", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
