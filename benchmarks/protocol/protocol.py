"""Train every network by one protocol, one after the other; go on where it stopped.

    python benchmarks/protocol/protocol.py --data FOLDER --runs RUNS

trains what is not trained yet, the cheapest networks first, scores each on the 650 test images,
and writes docs/results/networks.json, .md and .svg when nothing is left. It may be stopped and
started again at any time, and started several times at once: each process takes what no other one
is at. networks.py writes the page of what is done so far.

    python benchmarks/protocol/protocol.py --data FOLDER --runs RUNS --list > commands

prints what is left as one command for each network and seed, for schedulers of many machines.
"""

import argparse
import fnmatch
import shlex
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks.protocol import networks as page
from benchmarks.protocol.jobs import (
    OFFICIAL,
    SEEDS,
    SPLITS,
    TABLE,
    Job,
    networks,
    pending,
    unfinished,
)
from benchmarks.protocol.records import (
    Records,
    diverged_record,
    run_record,
    shipped_record,
    trial_record,
)
from benchmarks.weights.train_run import train_run

# Seconds until a process that has nothing to do looks again.
WAIT = 5


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
    elif job.split == OFFICIAL:
        record = shipped_record(job, records.runs / job.name)
    else:
        record = run_record(job, records.runs / job.name, data, device)
    records.write(job, record)


def train_all(
    records: Records,
    data: Path,
    device: str,
    wanted: Sequence[str],
    split: str = TABLE,
    seeds: Sequence[int] = SEEDS,
) -> dict[str, Exception]:
    """Train and score everything that is left and that no other process is at.

    Args:
        records: What is done already.
        data: The ISIC 2017 folders.
        device: Where to train.
        wanted: Networks to train.
        split: Which images to train on.
        seeds: Seeds to train with.

    Returns:
        What failed, by the job's name. The others are trained all the same.
    """
    failed: dict[str, Exception] = {}
    while jobs := dict.fromkeys(pending(records, wanted, failed, split, seeds)):
        for job in jobs:
            with records.claim(job) as ours:
                if not ours:
                    continue
                print(f"{job.name}, learning rate {job.rate:g}", flush=True)
                try:
                    do(job, records, data, device)
                except Exception as error:
                    traceback.print_exc()
                    failed[job.name] = error
                break
        else:
            # Others are at all of them; what they find may be what we wait for.
            time.sleep(WAIT)
    return failed


def command(arguments: argparse.Namespace, network: str, seed: int) -> str:
    """The command that trains a network with one seed, and whatever must be tried before."""
    places = ["--data", arguments.data, "--runs", arguments.runs, "--device", arguments.device]
    what = ["--split", arguments.split, "--networks", network, "--seeds", seed, "--no-page"]
    script = ["python", "benchmarks/protocol/protocol.py"]
    return shlex.join(map(str, [*script, *places, *what]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of ISIC 2017")
    parser.add_argument("--runs", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--split", choices=SPLITS, default=TABLE, help="official trains the weights that ship"
    )
    parser.add_argument("--seeds", nargs="+", type=int, choices=SEEDS, default=SEEDS)
    parser.add_argument(
        "--networks", nargs="+", default=["*"], help="names or patterns of those to train; all"
    )
    parser.add_argument(
        "--list", action="store_true", help="print a command for each training that is left"
    )
    parser.add_argument("--no-page", action="store_true", help="train, and write no page")
    arguments = parser.parse_args()
    wanted = [n for n in networks() if any(fnmatch.fnmatch(n, p) for p in arguments.networks)]
    if not wanted:
        parser.error(f"no network is called {' or '.join(arguments.networks)}")
    records = Records(arguments.runs)
    if arguments.list:
        for network, seed in unfinished(records, wanted, arguments.split, arguments.seeds):
            print(command(arguments, network, seed))
        return
    failed = train_all(
        records, arguments.data, arguments.device, wanted, arguments.split, arguments.seeds
    )
    if arguments.split == TABLE and not arguments.no_page:
        page.write(arguments.data, arguments.runs, arguments.device)
    for name, reason in failed.items():
        print(f"{name} failed: {reason}", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
