"""The page of latency.py."""

from typing import Any

from skinseg.formatting import counted

BASE = "published"
# What opens files, and the format of its own.
RUNTIMES = {"onnxruntime": "onnx", "openvino": "openvino"}
# Of the fast form and of the best file, as fractions of the published form's time.
AIMS = {
    "malunet": (0.5, 0.25),
    "egeunet": (0.5, 0.25),
    "lmsaunet": (0.15, 0.10),
}


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
        "same order, NCHW, nothing folded. `optimized` is `skinseg.optimize(network)`, `compiled`",
        "is `torch.compile`; the runtimes open files of `skinseg export`, with as many threads.",
        "",
        "![Lesion IoU against latency](latency.svg)",
    ]
    for key, networks in results["latency"].items():
        threads, batch, size = key.split(",")
        names = [way for times in networks.values() for way in times]
        ways = list(dict.fromkeys(names))
        lines += [
            "",
            f"## {counted(int(threads), 'thread')}, {counted(int(batch), 'image')}, {size}x{size}",
            "",
            f"| network | {' | '.join(ways)} |",
            f"|---|{'---|' * len(ways)}",
        ]
        for name, times in networks.items():
            cells = [_cell(times, way) for way in ways]
            lines.append(f"| `{name}` | {' | '.join(cells)} |")
    lines += ["", *_aims(results), "", *_limits(results), "", *_memory(results)]
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
        files = [times[way]["median"] / base for way in RUNTIMES if way in times]
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
        "One thread reaches "
        f"{peaks['gmacs_per_second']:.0f} billion multiply-accumulates per second, the more of",
        "a large matrix product and a wide convolution, and copies memory at "
        f"{peaks['gbytes_per_second']:.1f} GB per second.",
        "The limit is the longer of both: all multiply-accumulates at that speed, or every map of",
        "the fast form written and read once.",
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


def _memory(results: dict[str, Any]) -> list[str]:
    """What a whole process holds at most."""
    ways = ["torch", *RUNTIMES]
    return [
        "## Peak memory",
        "",
        "Megabytes that a process holds at most which opens a network and segments one photograph",
        "of 512x512 with `skinseg.Predictor`. Python and its libraries are most of it; with the",
        "runtimes torch is not among them.",
        "",
        f"| network | {' | '.join(ways)} |",
        f"|---|{'---|' * len(ways)}",
        *(
            f"| `{name}` | {' | '.join(f'{found[way]:.0f}' for way in ways)} |"
            for name, found in results["peak_memory"].items()
        ),
    ]
