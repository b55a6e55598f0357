"""The service under load: throughput beside the network's own, answers lost, memory, bad requests.

    python benchmarks/serving/load.py

Service and clients share this machine's processor. Writes docs/results/serving.json and .md.
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, write_result
from benchmarks.serving.bad_requests import PNG, bad_requests
from benchmarks.serving.clients import Call, answer, ask
from benchmarks.speed.photograph import photograph
from skinseg import Predictor, export
from skinseg.cli.cores import leave_cores_to_readers
from skinseg.data.mask_png import mask_png

RESULTS = FOLDER / "serving"
MODEL = "egeunet.isic2017"
PHOTOGRAPHS, SIZE = 32, (512, 384)
CLIENTS = (1, 8, 64)
# Too large for a mix: the loopback device would be measured.
NOT_MIXED = ("30 million bytes",)
BAD_EVERY = 20
LASTING_CLIENTS = 8
BATCH = 8


@contextmanager
def served(model: str, runtime: str) -> Iterator[tuple[int, int]]:
    """Start the service; give its port and the number of its process."""
    command = [sys.executable, "-u", "-m", "skinseg", "serve", "--model", model, "--port", "0"]
    command += ["--runtime", runtime]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        [port] = re.findall(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
        yield int(port), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def megabytes(process: int) -> float:
    """Resident memory of a process."""
    text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    [kilobytes] = re.findall(r"^VmRSS:\s+(\d+) kB$", text, re.M)
    return round(int(kilobytes) / 1000, 1)


def figures(port: int) -> dict[str, float]:
    """What the service counts."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        lines = page.read().decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def alone(model: str, runtime: str, contents: list[bytes]) -> tuple[dict[str, float], list[bytes]]:
    """Images per second of the network and of the predictor alone; and the masks to expect."""
    predictor = Predictor(model, runtime=runtime, batch_size=BATCH)
    leave_cores_to_readers()
    prepared = [predictor.transforms.prepare(content) for content in contents]
    batches = [prepared[i : i + BATCH] for i in range(0, len(prepared), BATCH)]
    masks = [mask_png(predictor(content).run_lengths) for content in contents]

    def network(parts: list[list[Any]]) -> Callable[[], object]:
        return lambda: [predictor.predict_prepared(part) for part in parts]

    def whole() -> None:
        for prediction in predictor.stream(contents):
            mask_png(prediction.run_lengths)

    found = {
        "network, one image": _rate(network([[image] for image in prepared]), len(contents)),
        f"network, {BATCH} images": _rate(network(batches), len(contents)),
        "predictor, from file to file": _rate(whole, len(contents)),
    }
    return found, masks


def _rate(run: Callable[[], object], images: int, rounds: int = 7) -> float:
    """The median of images per second, after a round that does not count."""
    rates = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        run()
        rates.append(images / (time.perf_counter() - started))
    return round(statistics.median(rates[1:]), 1)


def throughput(port: int, good: list[Call], requests: int) -> dict[str, dict[str, Any]]:
    """Ask with few and many clients."""
    found = {}
    for clients in CLIENTS:
        before = figures(port)
        tally = ask(port, lambda n: good[n % len(good)], requests=requests, clients=clients)
        after = figures(port)
        change = {name: after[name] - before.get(name, 0) for name in after}
        batches = change["skinseg_batch_images_count"]
        found[str(clients)] = {
            "requests": requests,
            "lost": tally.lost,
            "wrong": tally.wrong,
            "per_second": round(requests / tally.elapsed, 1),
            "milliseconds": _percentiles(tally.seconds),
            "processor_milliseconds": round(
                1000 * change["process_cpu_seconds_total"] / requests, 2
            ),
            "images_per_batch": round(change["skinseg_batch_images_sum"] / batches, 2),
        }
        print(clients, found[str(clients)], flush=True)
    return found


def _percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    at = {"median": 0.5, "p95": 0.95}
    return {k: round(1000 * ordered[int(v * (len(ordered) - 1))], 1) for k, v in at.items()}


def lasting(
    port: int, process: int, good: list[Call], bad: dict[str, Call], requests: int
) -> dict[str, Any]:
    """Many requests, one in twenty of them bad, and the memory while they are answered."""
    mixed = [call for kind, call in bad.items() if kind not in NOT_MIXED]
    marks = {requests // 10, requests // 2, requests}
    memory = {"0": megabytes(process)}

    def call(number: int) -> Call:
        turn, place = divmod(number, BAD_EVERY)
        return good[number % len(good)] if place else mixed[turn % len(mixed)]

    def watch(answered: int) -> None:
        if answered in marks:
            memory[str(answered)] = megabytes(process)

    tally = ask(port, call, requests=requests, clients=LASTING_CLIENTS, watch=watch)
    found = {
        "requests": requests,
        "bad": len(range(0, requests, BAD_EVERY)),
        "lost": tally.lost,
        "wrong": tally.wrong,
        "per_second": round(requests / tally.elapsed, 1),
        "megabytes": memory,
    }
    print(found, flush=True)
    return found


def refusals(port: int, bad: dict[str, Call]) -> dict[str, dict[str, Any]]:
    """Each bad request with the status and the reason that come back."""
    found = {}
    for kind, call in bad.items():
        status, content = answer(port, call)
        if status != call.status:
            raise RuntimeError(f"{kind}: status {status}, not {call.status}: {content!r}")
        [reason] = re.findall(r'"detail":"(.*?)"[,}]', content.decode())
        found[kind] = {"status": status, "detail": reason}
    return found


def measured(
    model: str, runtime: str, contents: list[bytes], arguments: argparse.Namespace
) -> dict[str, Any]:
    """The figures of one runtime."""
    rates, masks = alone(model, runtime, contents)
    print(rates, flush=True)
    good = [
        Call(content, {**PNG, "Content-Type": "image/jpeg"}, 200, mask)
        for content, mask in zip(contents, masks, strict=True)
    ]
    bad = bad_requests(contents[0])
    with served(model, runtime) as (port, process):
        ask(port, lambda n: good[n % len(good)], requests=100, clients=max(CLIENTS))
        return {
            "alone": rates,
            "throughput": throughput(port, good, arguments.requests),
            "lasting": lasting(port, process, good, bad, arguments.lasting),
            "refusals": refusals(port, bad),
        }


def page(results: dict[str, Any]) -> str:
    """Return the page made from the figures."""
    first = next(iter(results["runtimes"].values()))
    width, height = results["size"]
    lines = [
        "# The service under load",
        "",
        "Written by `benchmarks/serving/load.py`, which starts `skinseg serve` with the weights",
        f"`{results['model']}` on {results['provenance']['hardware']}. The clients run on the same",
        "processor, and each sends its next request when the last one is answered: one of",
        f"{results['photographs']} JPEG files of {width} x {height} pixels, for its mask as PNG.",
        "An answer is lost if there is none, and wrong if its status is not the expected one or",
        "its mask not the predictor's, byte by byte. With torch alone the network is as it was",
        "published; its fast form is what `skinseg serve` runs unless it is told otherwise.",
    ]
    for runtime, found in results["runtimes"].items():
        lines += ["", f"## {runtime}", "", *_throughput_lines(found)]
    lines += ["", "## Memory over many requests", "", *_lasting_lines(results["runtimes"])]
    lines += [
        "",
        "## Bad requests",
        "",
        "Each kind, the status, and the reason that the client gets; with torch.",
        "",
        "| request | status | reason |",
        "|---|---|---|",
    ]
    for kind, answered in first["refusals"].items():
        lines.append(f"| {kind} | {answered['status']} | {answered['detail']} |")
    return "\n".join(lines) + "\n"


def _throughput_lines(found: dict[str, Any]) -> list[str]:
    rates = found["alone"]
    [_, batched, whole] = rates
    lines = [
        "Without the service, images per second: "
        + "; ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
        + ".",
        "",
        "| clients | images per second | of the predictor alone | of the network alone "
        "| median | 95 % within | processor time of the service | images per batch | lost "
        "| wrong |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for clients, row in found["throughput"].items():
        rate = row["per_second"]
        lines.append(
            f"| {clients} | {rate:.0f} | {rate / rates[whole]:.2f} | {rate / rates[batched]:.2f} | "
            f"{row['milliseconds']['median']:.0f} ms | {row['milliseconds']['p95']:.0f} ms | "
            f"{row['processor_milliseconds']:.1f} ms | {row['images_per_batch']:.1f} | "
            f"{row['lost']} of {row['requests']:,} | {row['wrong']} |"
        )
    return lines


def _lasting_lines(runtimes: dict[str, Any]) -> list[str]:
    first = next(iter(runtimes.values()))["lasting"]
    marks = list(first["megabytes"])
    lines = [
        f"{LASTING_CLIENTS} clients send {first['requests']:,} requests, {first['bad']:,} of them "
        "bad ones of the kinds below.",
        "Resident memory of the service in MB, by the number of answers:",
        "",
        "| runtime | " + " | ".join(f"{int(mark):,}" for mark in marks) + " | lost | wrong |",
        "|---|" + "---|" * (len(marks) + 2),
    ]
    for runtime, found in runtimes.items():
        row = found["lasting"]
        memory = " | ".join(f"{row['megabytes'][mark]:.0f}" for mark in marks)
        lines.append(f"| {runtime} | {memory} | {row['lost']} | {row['wrong']} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=2000, help="for each number of clients")
    parser.add_argument("--lasting", type=int, default=10_000, help="for memory")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    origin = {**provenance(), "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        contents = [
            photograph(folder / f"{seed}.jpg", SIZE, seed).read_bytes()
            for seed in range(PHOTOGRAPHS)
        ]
        exported = folder / f"{MODEL}.onnx"
        export(MODEL, exported)
        ways = {
            "torch": (MODEL, "torch"),
            "Fast form": (MODEL, "optimized"),
            "ONNX Runtime": (str(exported), "onnxruntime"),
        }
        runtimes = {name: measured(*what, contents, arguments) for name, what in ways.items()}
    results = {
        "provenance": origin,
        "model": MODEL,
        "photographs": PHOTOGRAPHS,
        "size": SIZE,
        "runtimes": runtimes,
    }
    write_result(arguments.output, results, page(results))


if __name__ == "__main__":
    main()
