"""Time of one pass through each shipped network and two U-Nets: as published, optimized, exported.

    python benchmarks/speed/latency.py [--networks NAME ...]

Each network at each setting (threads, batch, size) is a process of its own, in which all ways take
turns. The base is the published form run plainly: the same operators in the same order, NCHW,
nothing folded. Writes docs/results/latency.json, .md and .svg.
"""

import argparse
import copy
import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import skinseg
from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, write_result
from benchmarks.speed import latency_plot
from benchmarks.speed.latency_page import BASE, RUNTIMES, page
from benchmarks.speed.limit import limit, machine_peaks
from skinseg.complexity.latency import time_alternately
from skinseg.data import synthetic_lesion
from skinseg.exporting import FORMATS, ExportError
from skinseg.files import write_text
from skinseg.models import SegmentationModel
from skinseg.runtimes.files import open_file

RESULTS = FOLDER / "latency"
# Those that ship, without the ensemble of some of them, and a large one to compare them with.
SHIPPED = dict.fromkeys(name.split(".")[0] for name in skinseg.list_pretrained())
NETWORKS = (*(name for name in SHIPPED if name in skinseg.models.CATALOG), "unet")
# Threads, batch, size. The first is the one that the aims are for, and alone has compiled networks,
# since torch.compile takes most of a minute for each.
SETTINGS = ((1, 1, 256), (1, 1, 128), (2, 1, 256), (1, 8, 256))
COMPILED = "compiled"
# The kernel's figure: that of getrusage begins with the parent's.
ONE_PHOTOGRAPH = """
import sys, skinseg
skinseg.Predictor(sys.argv[1], runtime=sys.argv[2])(sys.argv[3])
status = dict(line.split(":") for line in open("/proc/self/status"))
print(status["VmHWM"].split()[0])
"""
Setting = tuple[int, int, int]


def network_of(name: str) -> SegmentationModel:
    """Return a network with its weights, if it has some in the package."""
    torch.manual_seed(0)
    ships = bool(skinseg.list_pretrained(f"{name}.*"))
    return skinseg.create_model(name, pretrained=ships).eval()


def write_file(network: SegmentationModel, way: str, folder: Path, size: int) -> Path:
    """Export a network for a runtime."""
    format = RUNTIMES[way]
    path = folder / f"{way}{FORMATS[format].suffix}"
    skinseg.export(network, path, format=format, size=size)
    return path


def exported(
    network: SegmentationModel, way: str, folder: Path, threads: int, size: int
) -> Callable[[np.ndarray], object] | None:
    """Return the network as a file in a runtime; None if that is not installed or not exact."""
    try:
        return open_file(write_file(network, way, folder, size), way, threads=threads)
    except (ImportError, NotImplementedError, ExportError) as error:
        print(f"no {way}: {error}", file=sys.stderr)
        return None


def call_of(
    network: SegmentationModel, way: str, setting: Setting, folder: Path
) -> Callable[[], object] | None:
    """Return a call of one pass, or None if the way is not there."""
    threads, batch, size = setting
    x = torch.rand(batch, 3, size, size) * 255
    if way in RUNTIMES:
        runtime = exported(network, way, folder, threads, size)
        array = np.ascontiguousarray(x.numpy())
        return None if runtime is None else lambda: runtime(array)
    if way == "channels-last":
        x = x.contiguous(memory_format=torch.channels_last)
        network = copy.deepcopy(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    forms: dict[str, Callable[[], Callable[[torch.Tensor], torch.Tensor]]] = {
        "optimized": lambda: skinseg.optimize(network, size),
        COMPILED: lambda: torch.compile(network, dynamic=False),
    }
    module = forms[way]() if way in forms else network
    return lambda: module(x)


def measure(name: str, setting: Setting, rounds: int) -> dict[str, Any]:
    """Return the times of all ways, in this process."""
    torch.set_num_threads(setting[0])
    network = network_of(name)
    ways = [BASE, "channels-last", "optimized", *RUNTIMES]
    ways += [COMPILED] if setting == SETTINGS[0] else []
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        calls = {way: call_of(network, way, setting, Path(folder)) for way in ways}
        there = {way: call for way, call in calls.items() if call is not None}
        times = time_alternately(there, rounds=rounds)
    return {way: dataclasses.asdict(latency) for way, latency in times.items()}


def peak_memory(name: str, size: int) -> dict[str, float]:
    """Return the megabytes that a process holds at most that segments one photograph, by way."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        photograph = Path(folder) / "photograph.png"
        Image.fromarray(synthetic_lesion(0, 512)[0]).save(photograph)
        network = network_of(name)
        network.save_pretrained(Path(folder) / "torch")
        models = {"torch": f"local-dir:{folder}/torch"}
        models |= {way: str(write_file(network, way, Path(folder), size)) for way in RUNTIMES}
        for way, model in models.items():
            command = [sys.executable, "-c", ONE_PHOTOGRAPH, model, way, str(photograph)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found[way] = round(int(done.stdout) / 1024, 1)
    return found


def in_own_process(name: str, setting: Setting, rounds: int) -> dict[str, Any]:
    """Return :func:`measure` of a process that measures nothing else."""
    command = [sys.executable, __file__, "--rounds", str(rounds), "--only", name]
    command += [str(value) for value in setting]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument(
        "--networks", nargs="+", metavar="NAME", help="measure these alone, and keep the others"
    )
    parser.add_argument(
        "--limits", action="store_true", help="measure the machine's limit again, and no network"
    )
    arguments = parser.parse_args()
    if arguments.only:
        name, *numbers = arguments.only
        threads, batch, size = map(int, numbers)
        found = measure(name, (threads, batch, size), arguments.rounds)
        print(json.dumps(found))
        return
    torch.set_num_threads(1)
    recorded: dict[str, Any] = {}
    if arguments.networks or arguments.limits:
        recorded = json.loads(RESULTS.with_suffix(".json").read_text(encoding="utf-8"))
    peaks = machine_peaks()
    before = recorded.get("limits", {})
    names = list(before) if arguments.limits else arguments.networks or NETWORKS
    # The limits of all, for they depend on what the machine reaches now.
    limits = {name: limit(name, 256, peaks) for name in dict.fromkeys((*before, *names))}
    results = {**recorded, "peaks": peaks, "limits": limits}
    if not arguments.limits:
        results["provenance"] = provenance()
        for key, setting in {",".join(map(str, one)): one for one in SETTINGS}.items():
            found = {name: in_own_process(name, setting, arguments.rounds) for name in names}
            results.setdefault("latency", {}).setdefault(key, {}).update(found)
        found = {name: peak_memory(name, 256) for name in names}
        results.setdefault("peak_memory", {}).update(found)
    write_result(RESULTS, results, page(results))
    write_text(RESULTS.with_suffix(".svg"), latency_plot.plot(results))


if __name__ == "__main__":
    main()
