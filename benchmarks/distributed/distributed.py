"""Twenty thousand images on a Ray cluster that loses a node: is every result there, and equal?

    python benchmarks/distributed/distributed.py

segments the same images with one process; with a shard per core, the first of which is killed and
started again; and with a cluster of three nodes on this machine, one of which is killed on the way.
Compares every mask and every row, and writes docs/results/distributed.json and .md.
"""

import argparse
import collections
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, write_result
from skinseg.data import synthetic_lesion

RESULTS = FOLDER / "distributed"
MODEL = "egeunet.isic2017"
DISTINCT = 500
SIDE = 256
NODES = 3
# Fraction of the images that are done when a process or a node is killed.
KILLED_AT = 1 / 3
# Bytes for the objects of each node: rows are small, and pictures never become objects.
OBJECT_STORE = 80 * 2**20


def write_images(folder: Path, count: int) -> None:
    """Write synthetic lesions as JPEG files, each under many names."""
    folder.mkdir()
    for index in range(count):
        path = folder / f"{index:05}.jpg"
        if index < DISTINCT:
            Image.fromarray(synthetic_lesion(index, SIDE)[0]).save(path, quality=90)
        else:
            os.link(folder / f"{index % DISTINCT:05}.jpg", path)


def command(images: Path, output: Path, *options: str) -> list[str]:
    start = [sys.executable, "-m", "skinseg", "predict", str(images), "--model", MODEL]
    return [*start, "--output", str(output), "--quiet", *options]


def single(images: Path, output: Path) -> float:
    """Seconds of the whole command in one process."""
    started = time.perf_counter()
    subprocess.run(command(images, output), check=True)
    return time.perf_counter() - started


def shards(images: Path, output: Path, count: int) -> dict[str, Any]:
    """Seconds of a process per core, one of which is killed, and of the command that joins them."""
    jobs = os.cpu_count() or 1
    commands = [command(images, output, "--shard", f"{n}/{jobs}") for n in range(1, jobs + 1)]
    started = time.perf_counter()
    running = [subprocess.Popen(c) for c in commands]
    done = wait_for(KILLED_AT * count, output)
    running[0].kill()
    running[0].wait()
    running[0] = subprocess.Popen(commands[0])
    if any(process.wait() for process in running):
        raise RuntimeError("a shard has failed")
    subprocess.run(command(images, output), check=True)
    seconds = time.perf_counter() - started
    return {"seconds": round(seconds, 1), "jobs": jobs, "done_when_killed": done}


def cluster(images: Path, output: Path, count: int) -> dict[str, Any]:
    """Seconds of the whole command on three nodes, one of which is killed."""
    # Ray would tell its makers that it is used.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray import __version__
    from ray.cluster_utils import Cluster

    resources = {"num_cpus": 1, "object_store_memory": OBJECT_STORE}
    nodes = Cluster(initialize_head=True, head_node_args=resources)
    lost = [nodes.add_node(**resources) for _ in range(NODES - 1)][-1]
    nodes.wait_for_nodes()
    started = time.perf_counter()
    running = subprocess.Popen(command(images, output, "--ray", nodes.address))
    done = wait_for(KILLED_AT * count, output)
    nodes.remove_node(lost, allow_graceful=False)
    if running.wait():
        raise RuntimeError("the cluster has failed")
    seconds = time.perf_counter() - started
    nodes.shutdown()
    return {"seconds": round(seconds, 1), "done_when_killed": done, "ray": __version__}


def wait_for(count: float, output: Path) -> int:
    """Wait until so many images are done, and return how many there are then."""
    while (done := noted(output)) < count:
        time.sleep(0.2)
    return done


def noted(output: Path) -> int:
    """How many images the manifest of a run has."""
    return sum(file.read_bytes().count(b"\n") - 1 for file in output.glob("manifest/*"))


def compared(one: Path, other: Path) -> dict[str, int]:
    """How many images have exactly one result, equal to the single process's."""
    expected, found = rows(one), rows(other)
    names = collections.Counter(
        json.loads(line)["location"]
        for file in other.glob("manifest/*")
        for line in file.read_text(encoding="utf-8").split("\n")[1:-1]
    )
    masks = {path.name for path in other.glob("*_mask.png")}
    others = {path.name for path in other.iterdir()} - masks - {"manifest"}
    return {
        "rows": len(found),
        "noted_once": sum(times == 1 for times in names.values()),
        "masks": len(masks),
        "left_over_files": sum(not name.startswith("predictions") for name in others),
        "equal_rows": sum(found.get(name) == row for name, row in expected.items()),
        "equal_masks": sum(
            (one / name).read_bytes() == (other / name).read_bytes() for name in masks
        ),
    }


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with open(folder / "predictions.csv", newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def measured(folder: Path, count: int) -> dict[str, Any]:
    origin = provenance()
    if not (folder / "images").exists():
        write_images(folder / "images", count)
    seconds = single(folder / "images", folder / "single")
    print(f"one process: {count / seconds:.1f} images per second", flush=True)
    jobs = shards(folder / "images", folder / "shards", count)
    print(f"shards: {count / jobs['seconds']:.1f} images per second", flush=True)
    spread = cluster(folder / "images", folder / "cluster", count)
    print(f"cluster: {count / spread['seconds']:.1f} images per second", flush=True)
    return {
        "images": count,
        "distinct": min(DISTINCT, count),
        "side": SIDE,
        "model": MODEL,
        "cores": os.cpu_count(),
        "nodes": NODES,
        "single_seconds": round(seconds, 1),
        "shards": jobs,
        "cluster": spread,
        "compared": {
            way: compared(folder / "single", folder / way) for way in ("shards", "cluster")
        },
        "provenance": origin,
    }


FACTS = {
    "rows": "lines in the table of all images",
    "noted_once": "images that the manifest notes exactly once",
    "masks": "masks",
    "equal_rows": "lines equal to those of the single process",
    "equal_masks": "masks equal to those of the single process, to the byte",
    "left_over_files": "files that should not be there",
}


def page(data: dict[str, Any]) -> str:
    count, jobs, spread, found = (data[k] for k in ("images", "shards", "cluster", "compared"))
    facts = "\n".join(
        f"| {what} | {found['shards'][key]:,} | {found['cluster'][key]:,} |"
        for key, what in FACTS.items()
    )
    nodes, cores, n = data["nodes"], data["cores"], jobs["jobs"]
    seconds = {
        f"one process, threads on {cores} cores": data["single_seconds"],
        f"{n} shards, one started twice, and what joins them": jobs["seconds"],
        f"cluster of {nodes} nodes, and then {nodes - 1}": spread["seconds"],
    }
    speeds = "\n".join(
        f"| {way} | {s:.0f} | {count / s:.0f} | {data['single_seconds'] / s:.2f} |"
        for way, s in seconds.items()
    )
    return f"""\
# Many images on a cluster

Written by `benchmarks/distributed/distributed.py` with the weights `{data["model"]}`
and Ray {spread["ray"]}, on {data["provenance"]["hardware"]}. `skinseg predict` segments
{count:,} images ({data["distinct"]:,} distinct JPEG files of {data["side"]} pixels under many
names) three times on this machine:

- in one process;
- in {n} shards (`--shard`), the first of which was killed when {jobs["done_when_killed"]:,} images
  were done, and was started again; then the same command without `--shard` joined the
  tables;
- with `--ray` on a cluster of {nodes} nodes of one core each, one of which was killed when
  {spread["done_when_killed"]:,} images were done.

## Is every result there?

| what | shards | cluster |
| --- | --- | --- |
{facts}

## How fast?

The whole commands, from their start to the table of all images, and the ratio to the single
process.

| way | seconds | images per second | ratio |
| --- | --- | --- | --- |
{speeds}

All of them share the same {cores} cores, so that the ratios tell what the ways cost, and not
what more machines bring. Shards and nodes are processes of their own; the threads of a single
one take turns wherever Python itself runs, and with images as small as these that is often.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON and page")
    parser.add_argument("--folder", type=Path, help="for the images and the results; kept")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        data = measured(arguments.folder or Path(temporary), arguments.images)
    write_result(arguments.output, data, page(data))


if __name__ == "__main__":
    main()
