"""Twenty thousand images on a Ray cluster that loses a node: is every result there, and equal?

    python benchmarks/distributed/distributed.py

segments the same images with one process and with a cluster of three nodes on this machine, one of
which is killed on the way; compares every mask and every row; and writes
docs/results/distributed.json and .md.
"""

import argparse
import collections
import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
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
# Of the images that are done when a node is killed.
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
    killed: list[int] = []

    def kill() -> None:
        while (done := noted(output)) < KILLED_AT * count:
            time.sleep(0.2)
        nodes.remove_node(lost, allow_graceful=False)
        killed.append(done)

    watcher = threading.Thread(target=kill, daemon=True)
    started = time.perf_counter()
    watcher.start()
    subprocess.run(command(images, output, "--ray", nodes.address), check=True)
    seconds = time.perf_counter() - started
    watcher.join()
    nodes.shutdown()
    return {"seconds": round(seconds, 1), "done_when_killed": killed[0], "ray": __version__}


def noted(output: Path) -> int:
    """How many images the manifest of a run has."""
    return sum(file.read_bytes().count(b"\n") - 1 for file in output.glob("manifest/*"))


def compared(one: Path, other: Path) -> dict[str, int]:
    """How many images have exactly one result, equal to the single process's."""
    expected, found = rows(one), rows(other)
    names = collections.Counter(
        json.loads(line)["location"]
        for file in other.glob("manifest/*")
        for line in file.read_text(encoding="utf-8").splitlines()[1:]
    )
    masks = {path.name for path in other.glob("*_mask.png")}
    return {
        "rows": len(found),
        "noted_once": sum(times == 1 for times in names.values()),
        "masks": len(masks),
        "left_over_files": len([*other.iterdir()]) - len(masks) - 2,
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
        "cluster": spread,
        "compared": compared(folder / "single", folder / "cluster"),
        "provenance": origin,
    }


def page(data: dict[str, Any]) -> str:
    count, spread, found = data["images"], data["cluster"], data["compared"]
    origin = data["provenance"]
    one, many = count / data["single_seconds"], count / spread["seconds"]
    facts = [
        ("images", f"{count:,} ({data['distinct']:,} distinct), {data['side']} pixels, JPEG"),
        ("lines in the table of the cluster", f"{found['rows']:,}"),
        ("images that the manifest notes exactly once", f"{found['noted_once']:,}"),
        ("masks", f"{found['masks']:,}"),
        ("files that are neither", f"{found['left_over_files']:,}"),
        ("lines equal to those of the single process", f"{found['equal_rows']:,}"),
        ("masks equal to those of the single process, to the byte", f"{found['equal_masks']:,}"),
    ]
    lines = "\n".join(f"| {what} | {figure} |" for what, figure in facts)
    return f"""\
# Many images on a cluster

Written by `benchmarks/distributed/distributed.py` with the weights `{data["model"]}` and Ray
{spread["ray"]}, on {origin["hardware"]}. `skinseg predict` segments the same images twice: in one
process, and with `--ray` on a cluster of {data["nodes"]} nodes of one core each, all of them on
this machine. When {spread["done_when_killed"]:,} images were done, one of the nodes was killed.

## Is every result there?

| what | figure |
| --- | --- |
{lines}

## How fast?

The whole commands, from their start to the table.

| way | seconds | images per second | ratio |
| --- | --- | --- | --- |
| one process, threads on {data["cores"]} cores | {data["single_seconds"]:.0f} | {one:.0f} | 1 |
| cluster, {data["nodes"]} nodes and later {data["nodes"] - 1}, on the same {data["cores"]} cores \
| {spread["seconds"]:.0f} | {many:.0f} | {many / one:.2f} |

The nodes share the cores of one machine, so that the ratio tells what Ray costs and not what more
machines bring.
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
