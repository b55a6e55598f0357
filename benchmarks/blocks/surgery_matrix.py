"""Blocks into many networks, and what became of each attempt.

    python benchmarks/blocks/surgery_matrix.py [--hosts WORD ...] [--blocks NAME ...] [--cells N]

For each of the networks of surgery_hosts.py and each block, one replacement and one insertion are
tried, at places drawn by a fixed chance. What is accepted is checked by surgery_checks.py. A run
may be stopped at any time; the same command goes on with the network that was not finished. Writes
docs/results/surgery_matrix.json and .md.
"""

import argparse
import gc
import json
import random
import re
import resource
import time
import traceback
import warnings
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.blocks.surgery_checks import Watched, problems, run
from benchmarks.blocks.surgery_hosts import Host, hosts
from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, write_result
from skinseg import surgery
from skinseg.blocks import list_blocks
from tests.torchvision_operators import declare_missing_operators

RESULTS = FOLDER / "surgery_matrix"
KINDS = ("replace", "insert")
BRIDGES = ("cab", "sab", "scab")
# One accepted cell in so many is exported as well.
EXPORTED = 20
CHECKED = f"""\
What is accepted is looked at from outside, at two sizes of images, of which the second is no
square: the shapes that every module gives, a forward and a backward pass in training, the range of
the outputs, a deep copy, another network made by the report's recipe with the weights loaded,
parameters and multiply-accumulates counted again, that the original is as it was, and, for one in
{EXPORTED}, an export by `torch.export`."""
OUTCOMES = {
    "right": "accepted, and right by every check",
    "wrong": "accepted and wrong",
    "refused": "refused with a reason",
    "error": "ended in another error",
    "memory": "needed more memory than it was given, and so not known",
}
_OUT_OF_MEMORY = re.compile(r"can't allocate memory|MemoryError")


def placement(host: Host, model: nn.Module, block: str, kind: str) -> tuple[Any, dict[str, Any]]:
    """Return the function to call for a cell, and what to call it with."""
    chance = random.Random(zlib.crc32(f"{host.name} {block} {kind}".encode()))
    name = chance.choice(_places(model, chance))
    if kind == "replace":
        where: Any = surgery.conv_run() if chance.random() < 0.5 else surgery.by_name(name)
        return surgery.replace, {"where": where, "block": block, "skip_unfit": True}
    if block in BRIDGES and host.deep is not None:
        return surgery.insert, {"block": block, "after": host.deep, "maps": range(1, 4)}
    if host.deep is not None and chance.random() < 0.3:
        return surgery.insert, {"block": block, "after": host.deep, "maps": -1}
    return surgery.insert, {"block": block, chance.choice(("after", "before")): name}


def _places(model: nn.Module, chance: random.Random) -> list[str]:
    """Half of the time convolutions, else any module."""
    named = [(name, module) for name, module in model.named_modules() if name]
    convolutions = [name for name, module in named if isinstance(module, nn.Conv2d)]
    wanted = convolutions if convolutions and chance.random() < 0.5 else [name for name, _ in named]
    return sorted(wanted)


def cell(host: Host, watched: Watched, block: str, kind: str) -> dict[str, Any]:
    """Try one block in one network, and tell what became of it."""
    operation, options = placement(host, watched.model, block, kind)
    asked = ", ".join(f"{key}={value!r}" for key, value in options.items() if key != "block")
    args, kwargs = watched.sizes[0]
    example = {"example_input": list(args) or None, "example_kwargs": kwargs}
    torch.manual_seed(0)
    try:
        report = operation(watched.model, **options, **example)
    except surgery.SurgeryError as error:
        outcome, reason = "refused", str(error)
    except Exception:
        outcome, reason = "error", traceback.format_exc(limit=-2)
    else:
        exported = zlib.crc32(f"{host.name} {block}".encode()) % EXPORTED == 0
        rows = isinstance(options.get("where"), surgery.Selector) and "conv_run" in asked
        found = problems(watched, report, host.make, rows=rows, export=exported)
        outcome, reason = ("wrong", "; ".join(found)) if found else ("right", "")
    if _OUT_OF_MEMORY.search(reason):
        outcome = "memory"
    if outcome in ("refused", "error"):
        changed = watched.changed()
        if changed:
            outcome, reason = "wrong", f"{'; '.join(changed)}, after: {reason}"
    return {"asked": asked, "outcome": outcome, "reason": reason[:600]}


def opened(host: Host) -> Watched | str:
    """The network, run once; or why it cannot be used here."""
    try:
        model = host.make()
        examples = host.examples()
        run(model, examples[0])
        return Watched(model, examples)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]


def kind_of_reason(reason: str) -> str:
    """A refusal without the names and numbers of its place."""
    reason = re.sub(r"^no block fits at [^:]*: (.*?: )?", "", reason.split("; ")[0])
    reason = re.sub(r"^[\w. +]+: ", "", reason)
    reason = re.sub(r"\(\d[\d, ]*\)|\[[\d, ]*\]|\{.*\}", "...", reason)
    reason = re.sub(r"\b[\w]+(\.[\w]+)+\b", "...", reason)
    reason = re.sub(r"\d+", "N", reason)
    return reason.partition(". ")[0][:160]


def page(results: dict[str, Any]) -> str:
    """Return the page made from the figures."""
    cells = [
        (name, key, found) for name, row in results["hosts"].items() for key, found in row.items()
    ]
    counts = Counter(found["outcome"] for _, _, found in cells)
    blocks = sorted({key.split()[0] for _, key, _ in cells})
    lines = [
        "# Blocks in many networks",
        "",
        "Written by `benchmarks/blocks/surgery_matrix.py`. Into each of "
        f"{len(results['hosts'])} networks, of",
        "segmentation_models_pytorch, timm and MONAI and small ones with odd habits, "
        f"{len(blocks)} blocks",
        "were put by replacement and by insertion, at places drawn by chance: "
        f"{len(cells):,} attempts.",
        "",
        "| outcome | attempts |",
        "|---|---:|",
        *(f"| {text} | {counts[outcome]:,} |" for outcome, text in OUTCOMES.items()),
        "",
        *CHECKED.splitlines(),
        "",
        *_by_library(cells),
        "",
        "## Why blocks were refused",
        "",
        "Names and numbers are left out. One attempt may have several reasons; the first counts.",
        "",
        "| reason | attempts |",
        "|---|---:|",
    ]
    reasons = Counter(
        kind_of_reason(found["reason"]) for _, _, found in cells if found["outcome"] == "refused"
    )
    lines += [f"| {_escaped(reason)} | {count:,} |" for reason, count in reasons.most_common()]
    wrong = [entry for entry in cells if entry[2]["outcome"] in ("wrong", "error")]
    if wrong:
        lines += ["", "## What is wrong", ""]
        lines += [
            f"- {name}, {key}: {_escaped(found['reason'])[:200]}" for name, key, found in wrong
        ]
    unused = results["not_used"]
    if unused:
        lines += ["", "## Networks that do not run here", ""]
        lines += [f"- {name}: {_escaped(reason)}" for name, reason in sorted(unused.items())]
    return "\n".join(lines) + "\n"


def _by_library(cells: list[tuple[str, str, dict[str, Any]]]) -> list[str]:
    lines = [
        "| library | networks | " + " | ".join(OUTCOMES) + " |",
        "|---" * 2 + "|---:" * len(OUTCOMES) + "|",
    ]
    for library in ("smp", "timm", "monai", "odd"):
        own = [entry for entry in cells if entry[0].startswith(f"{library} ")]
        counts = Counter(found["outcome"] for _, _, found in own)
        row = [library, str(len({name for name, _, _ in own}))]
        row += [f"{counts[outcome]:,}" for outcome in OUTCOMES]
        lines.append(f"| {' | '.join(row)} |")
    return lines


def _escaped(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def _recorded(path: Path) -> dict[str, Any]:
    if path.is_file():
        recorded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return recorded
    return {"hosts": {}, "not_used": {}}


def _write(results: dict[str, Any]) -> None:
    data = {"provenance": provenance(), **results}
    write_result(RESULTS, data, page(data))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", nargs="+", metavar="WORD", help="networks with these in a name")
    parser.add_argument("--blocks", nargs="+", choices=list_blocks(), help="these blocks alone")
    parser.add_argument("--cells", type=int, help="stop after so many attempts")
    parser.add_argument("--again", action="store_true", help="also what was not right before")
    parser.add_argument("--gib", type=int, help="memory that the attempts may take")
    arguments = parser.parse_args()
    if arguments.gib is not None:
        resource.setrlimit(resource.RLIMIT_AS, (arguments.gib * 2**30,) * 2)
    declare_missing_operators()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    recorded = _recorded(RESULTS.with_suffix(".json"))
    results = {"hosts": recorded["hosts"], "not_used": recorded["not_used"]}
    wanted = [
        host
        for host in hosts()
        if not arguments.hosts or any(word in host.name for word in arguments.hosts)
    ]
    done = 0
    for host in wanted:
        if arguments.cells is not None and done >= arguments.cells:
            break
        done += _tried(host, arguments, results)
    _write(results)


def _tried(host: Host, arguments: argparse.Namespace, results: dict[str, Any]) -> int:
    """Try what is due of a network, which is built once; return how many attempts that were."""
    row = results["hosts"].get(host.name, {})
    due = [
        (block, kind)
        for block in arguments.blocks or list_blocks()
        for kind in KINDS
        if _is_due(row.get(f"{block} {kind}"), arguments.again)
    ]
    if not due or host.name in results["not_used"]:
        return 0
    watched = opened(host)
    if isinstance(watched, str):
        results["not_used"][host.name] = watched
        return 0
    for block, kind in due:
        found = _told(host, watched, block, kind)
        results["hosts"].setdefault(host.name, {})[f"{block} {kind}"] = found
        # Traced networks are cycles, and their maps stay until somebody looks for such.
        gc.collect()
    _write(results)
    return len(due)


def _told(host: Host, watched: Watched, block: str, kind: str) -> dict[str, Any]:
    """Try a cell, and say what became of it."""
    started = time.perf_counter()
    found = cell(host, watched, block, kind)
    seconds = time.perf_counter() - started
    print(f"{host.name}: {block} {kind}: {found['outcome']} ({seconds:.1f} s)", flush=True)
    if found["outcome"] in ("wrong", "error"):
        print(f"    {found['asked']}: {found['reason']}", flush=True)
    return found


def _is_due(found: dict[str, Any] | None, again: bool) -> bool:
    return found is None or (again and found["outcome"] in ("wrong", "error", "memory"))


if __name__ == "__main__":
    main()
