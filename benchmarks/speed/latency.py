"""Time of one pass through each shipped network: as published, optimized, and exported.

    python benchmarks/speed/latency.py

Each setting (threads, batch, size) is a process of its own, in which all ways take turns. The base
is the published form run plainly: the same operators in the same order, NCHW, nothing folded.
Writes docs/results/latency.json, .md and .svg.
"""

import argparse
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

import skinseg
from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, write_result, write_text
from benchmarks.speed import latency_plot
from benchmarks.speed.limit import limit, machine_peaks
from skinseg.complexity.latency import time_alternately
from skinseg.models import SegmentationModel

RESULTS = FOLDER / "latency"
NETWORKS = ("malunet", "egeunet", "basic_unet", "lmsaunet")
SETTINGS = ((1, 1, 256), (1, 1, 128))
BASE = "published"
AIMS = {
    "malunet": (0.5, 0.25),
    "egeunet": (0.5, 0.25),
    "lmsaunet": (0.15, 0.10),
}


def exported(network: SegmentationModel, name: str, folder: Path, size: int) -> dict[str, Any]:
    """Return runtimes of the network as a file, by their names; those that are installed."""
    found: dict[str, Any] = {}
    for way in ("onnxruntime", "openvino"):
        path = folder / f"{name}.{way}.onnx"
        try:
            skinseg.export(network, path, format="onnx", size=size)
            predictor = skinseg.Predictor(str(path), runtime=way)
        except (ImportError, NotImplementedError) as error:
            print(f"{name}: no {way}: {error}", file=sys.stderr)
            continue
        found[way] = predictor.runtime
    return found


def ways(name: str, batch: int, size: int, folder: Path) -> dict[str, Callable[[], object]]:
    """Return calls of one pass, by the name of the way."""
    network = skinseg.create_model(name).eval()
    interleaved = skinseg.create_model(name).eval().to(memory_format=torch.channels_last)
    interleaved.load_state_dict(network.state_dict())
    x = torch.rand(batch, 3, size, size)
    x_last = x.contiguous(memory_format=torch.channels_last)
    fast = skinseg.optimize(network, size)
    calls: dict[str, Callable[[], object]] = {
        BASE: lambda: network(x),
        "channels-last": lambda: interleaved(x_last),
        "optimized": lambda: fast(x),
    }
    array = np.ascontiguousarray(x.numpy())
    for way, runtime in exported(network, name, folder, size).items():
        calls[way] = lambda runtime=runtime: runtime(array)
    return calls


def measure(name: str, threads: int, batch: int, size: int, rounds: int) -> dict[str, Any]:
    """Return the times of all ways, in this process."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        times = time_alternately(ways(name, batch, size, Path(folder)), rounds=rounds)
    return {way: dataclasses.asdict(latency) for way, latency in times.items()}


def in_own_process(name: str, setting: tuple[int, int, int], rounds: int) -> dict[str, Any]:
    """Return :func:`measure` of a process that measures nothing else."""
    command = [sys.executable, __file__, "--rounds", str(rounds), "--only", name]
    command += [str(value) for value in setting]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def page(results: dict[str, Any]) -> str:
    """Return the page made from the figures."""
    origin = results["provenance"]
    lines = [
        "# Latency",
        "",
        "Written by `benchmarks/speed/latency.py` from `latency.json`: "
        f"{origin['hardware']}, PyTorch {origin['torch']}, commit {origin['commit'][:8]}.",
        "Medians in milliseconds per pass; all ways of a row take turns in one process. In",
        "brackets the ratio to the published form, which runs plainly: the same operators in the",
        "same order, NCHW, nothing folded. `optimized` is `skinseg.optimize(network)`.",
        "",
        "![Lesion IoU against latency](latency.svg)",
    ]
    for key, networks in results["latency"].items():
        threads, batch, size = key.split(",")
        names = [way for times in networks.values() for way in times]
        ways = list(dict.fromkeys(names))
        lines += [
            "",
            f"## {threads} thread(s), batch {batch}, {size}x{size}",
            "",
            f"| network | {' | '.join(ways)} |",
            f"|---|{'---|' * len(ways)}",
        ]
        for name, times in networks.items():
            cells = [_cell(times, way) for way in ways]
            lines.append(f"| `{name}` | {' | '.join(cells)} |")
    lines += ["", *_aims(results), "", *_limits(results)]
    return "\n".join(lines) + "\n"


def _cell(times: dict[str, Any], way: str) -> str:
    if way not in times:
        return ""
    median = times[way]["median"]
    return f"{median:.2f} ({median / times[BASE]['median']:.2f})"


def _aims(results: dict[str, Any]) -> list[str]:
    """Each aim, what was reached, and whether it was met."""
    lines = [
        "## Aims, on one thread, one image of 256x256",
        "",
        "| network | optimized | aim | best exported | aim |",
        "|---|---|---|---|---|",
    ]
    for name, (eager_aim, file_aim) in AIMS.items():
        times = results["latency"]["1,1,256"][name]
        base = times[BASE]["median"]
        files = [times[way]["median"] / base for way in ("onnxruntime", "openvino") if way in times]
        best = f"{min(files):.2f}" if files else "not measured"
        ratio = times["optimized"]["median"] / base
        lines.append(f"| `{name}` | {ratio:.2f} | {eager_aim} | {best} | {file_aim} |")
    return lines


def _limits(results: dict[str, Any]) -> list[str]:
    """The time that arithmetic or memory alone would take, beside the optimized form's."""
    peaks = results["peaks"]
    lines = [
        "## Distance to the machine's limit",
        "",
        f"One thread multiplies large matrices at {peaks['gmacs_per_second']:.0f} billion",
        "multiply-accumulates per second and copies memory at "
        f"{peaks['gbytes_per_second']:.1f} GB per second. The limit is the longer of both: all",
        "multiply-accumulates at that speed, or every map of the fast form written and read once.",
        "",
        "| network, 256x256 | arithmetic, ms | memory, ms | optimized, ms | of the limit |",
        "|---|---|---|---|---|",
    ]
    for name, found in results["limits"].items():
        times = results["latency"]["1,1,256"][name]
        took = times["optimized"]["median"]
        bound = max(found["arithmetic_ms"], found["memory_ms"])
        lines.append(
            f"| `{name}` | {found['arithmetic_ms']:.2f} | {found['memory_ms']:.2f} | {took:.2f} "
            f"| {took / bound:.1f} times |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        name, *setting = arguments.only
        found = measure(name, *(int(value) for value in setting), arguments.rounds)
        print(json.dumps(found))
        return
    torch.set_num_threads(1)
    peaks = machine_peaks()
    latency = {
        ",".join(map(str, setting)): {
            name: in_own_process(name, setting, arguments.rounds) for name in NETWORKS
        }
        for setting in SETTINGS
    }
    results = {
        "provenance": provenance(),
        "peaks": peaks,
        "limits": {name: limit(name, 256, peaks) for name in NETWORKS},
        "latency": latency,
    }
    write_result(RESULTS, results, page(results))
    write_text(RESULTS.with_suffix(".svg"), latency_plot.plot(results))


if __name__ == "__main__":
    main()
