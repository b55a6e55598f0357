"""What the benchmark of latency measured, a summary per network."""

import functools
import json
from typing import Any

from benchmarks.results import FOLDER
from benchmarks.speed.latency_page import BASE, RUNTIMES

# One thread and images of 256x256: one image for the latency, eight for the throughput.
LATENCY, THROUGHPUT = "1,1,256", "1,8,256"
# Ways that anybody has without compiling for most of a minute.
WAYS = (BASE, "optimized", *RUNTIMES)

Speed = dict[str, Any]


def speed_of(network: str) -> Speed | None:
    """Return a network's speed; None where it was not measured.

    Returns:
        ``published_ms``, the published form in torch; ``fastest_ms`` of the way ``fastest``; of the
        way that gives most, ``images_per_second``; ``torch_mb`` and ``runtime_mb``, the most that a
        process holds with torch, and with the better runtime without.
    """
    recorded = _recorded()
    times = recorded["latency"][LATENCY].get(network)
    if times is None:
        return None
    fastest = min((way for way in WAYS if way in times), key=lambda way: _median(times, way))
    batches = recorded["latency"][THROUGHPUT][network]
    memory = recorded["peak_memory"][network]
    return {
        "published_ms": _median(times, BASE),
        "fastest_ms": _median(times, fastest),
        "fastest": fastest,
        "images_per_second": 8000 / min(_median(batches, way) for way in WAYS if way in batches),
        "torch_mb": memory["torch"],
        "runtime_mb": min(memory[way] for way in RUNTIMES if way in memory),
    }


def _median(times: dict[str, Any], way: str) -> float:
    return float(times[way]["median"])


@functools.cache
def _recorded() -> dict[str, Any]:
    file = FOLDER / "latency.json"
    recorded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return recorded
