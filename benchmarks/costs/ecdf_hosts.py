"""Look for the reading of LMSAUNet's text that gives its factors for ECDF in other networks.

    python benchmarks/costs/ecdf_hosts.py

The text (Sci Rep 15, 34327, 2025) says by how much ECDF lowers the parameters and FLOPs of SegNet
and TransUNet, not what it replaces. This counts every reading at 3x224x224 with two classes, some
minutes long, and writes docs/results/ecdf_hosts.json and .md. The readings: ecdf_readings.py.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

from torch import nn

import skinseg
from benchmarks.costs.counts import count
from benchmarks.costs.ecdf_readings import readings
from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, ROOT, write_result

FIGURES = ROOT / "benchmarks" / "paper_figures.json"
RESULTS = FOLDER / "ecdf_hosts"
INPUT = (3, 224, 224)
MAC_COUNTERS = ("torch", "thop")
# The text says "about"; a reading that is off by more is not what it means.
TOLERANCE = 0.1
FACTORS = (2, 4, 8, 16, 32)
PLAIN = {"segnet": "ecdf_in_segnet", "transunet_small": "ecdf_in_transunet"}


def factors(plain: dict[str, Any], counts: dict[str, Any]) -> dict[str, float]:
    """How many times fewer parameters and multiply-accumulates."""
    fewer = {"parameters": plain["parameters"] / counts["parameters"]}
    fewer |= {name: plain["macs"][name] / counts["macs"][name] for name in MAC_COUNTERS}
    return {name: round(factor, 3) for name, factor in fewer.items()}


def measured(host: str, plain: nn.Module, plain_counts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every reading of one network with every N."""
    for reading in readings():
        for compression in FACTORS if reading.host == host else ():
            net = copy.deepcopy(plain)
            reading.replace(net, compression)
            counts = count(net, INPUT, MAC_COUNTERS)
            yield {
                "what": reading.what,
                "compression": compression,
                **counts,
                "factors": factors(plain_counts, counts),
            }


def results() -> dict[str, Any]:
    claims = json.loads(FIGURES.read_text(encoding="utf-8"))["lmsaunet_claims"]
    data = {"input": list(INPUT), "num_classes": 2, **provenance(), "hosts": {}}
    for host, claim in PLAIN.items():
        plain = skinseg.create_model(host, num_classes=2)
        counts = count(plain, INPUT, MAC_COUNTERS)
        registered = count(skinseg.create_model(f"{host}_ecdf", num_classes=2), INPUT, MAC_COUNTERS)
        data["hosts"][host] = {
            "paper": {
                "parameters": claims[claim]["params_reduction_x"],
                "macs": claims[claim]["flops_reduction_x"],
            },
            "plain": counts,
            "registered": {**registered, "factors": factors(counts, registered)},
            "readings": list(measured(host, plain, counts)),
        }
    return data


def agrees(ours: float, paper: float) -> bool:
    return abs(ours / paper - 1) <= TOLERANCE


def page(data: dict[str, Any]) -> str:
    """Return the page made from the figures."""
    parts = [
        "# ECDF in SegNet and TransUNet",
        "",
        "Written by `benchmarks/costs/ecdf_hosts.py` from `ecdf_hosts.json`. LMSAUNet's text says "
        "how many times fewer parameters and FLOPs the two networks have with ECDF blocks, not "
        "what the blocks replace. Below is every reading that was tried: one image of 3x224x224, "
        "two classes; M: millions of parameters; G: giga multiply-accumulates by the counters "
        "`torch` and `thop` of `skinseg.complexity`. *Factors* are how many times fewer than the "
        f"plain network has; those within {TOLERANCE:.0%} of the paper's are bold.",
    ]
    for host, found in data["hosts"].items():
        parts += ["", f"## {host}", "", *_summary(host, found), "", *_table(found)]
    return "\n".join(parts) + "\n"


def _summary(host: str, found: dict[str, Any]) -> list[str]:
    paper, plain, ours = found["paper"], found["plain"], found["registered"]
    both = [r for r in found["readings"] if _bold(r, paper) == {"parameters", *MAC_COUNTERS}]
    outcome = (
        "Both factors agree in: " + "; ".join(f"{r['what']}, N = {r['compression']}" for r in both)
        if both
        else "**No reading gives both factors.**"
    )
    return [
        f"The paper: {paper['parameters']} times fewer parameters, {paper['macs']} times fewer "
        f"FLOPs. Plain: {plain['parameters']:,} parameters, {_macs(plain)}. `{host}_ecdf`: "
        f"{ours['parameters']:,} parameters ({ours['factors']['parameters']:.2f} times fewer), "
        f"{_macs(ours)} ({ours['factors']['torch']:.2f} and {ours['factors']['thop']:.2f} times "
        f"fewer). {outcome}",
    ]


def _macs(counts: dict[str, Any]) -> str:
    return " and ".join(f"{counts['macs'][name] / 1e9:.2f} G ({name})" for name in MAC_COUNTERS)


def _bold(reading: dict[str, Any], paper: dict[str, float]) -> set[str]:
    """Which factors of a reading are the paper's."""
    return {
        name
        for name, factor in reading["factors"].items()
        if agrees(factor, paper["parameters" if name == "parameters" else "macs"])
    }


def _table(found: dict[str, Any]) -> list[str]:
    lines = [
        "| ECDF in place of | N | M | factor | G, torch | factor | G, thop | factor |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for reading in found["readings"]:
        bold = _bold(reading, found["paper"])
        cells = [reading["what"], str(reading["compression"])]
        amounts = {"parameters": reading["parameters"] / 1e6}
        amounts |= {name: reading["macs"][name] / 1e9 for name in MAC_COUNTERS}
        for name, amount in amounts.items():
            factor = f"{reading['factors'][name]:.2f}"
            cells += [f"{amount:.3f}", f"**{factor}**" if name in bold else factor]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    data = results()
    write_result(RESULTS, data, page(data))


if __name__ == "__main__":
    main()
