"""Re-measure the cost figures of the papers' tables.

    python benchmarks/costs/paper_tables.py

reads benchmarks/paper_figures.json, counts every network at 3x256x256, and writes
docs/results/paper_tables.json and .md: the paper's figure, ours, the counter that gives it.
"""

import dataclasses
import json
from typing import Any

import torch

import skinseg
from benchmarks.results import FOLDER, ROOT, write_result
from skinseg.complexity import COUNTERS, count_macs, count_parameters, thop_parameters
from skinseg.models import SegmentationModel

FIGURES = ROOT / "benchmarks" / "paper_figures.json"
RESULTS = FOLDER / "paper_tables"
INPUT = (3, 256, 256)
# thop first: it is what the papers used.
MAC_COUNTERS = ("thop", "torch", "ptflops-pytorch", "ptflops-aten")


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of a paper, and the network that each of its rows is.

    ``parameters`` names the readings in the order in which they are tried; ``decimals`` are those
    that the paper prints of figures below 1, parameters in millions and GFLOPs; of larger ones, and
    of all figures of the rows in ``two_decimals``, it prints two.
    """

    key: str
    title: str
    parameters: tuple[str, str]
    decimals: tuple[int, int]
    networks: dict[str, str]
    two_decimals: tuple[str, ...] = ()


TABLES = [
    Table(
        "malunet_table3_unet_settings_isic2018",
        "MALUNet, Table III: channel settings",
        ("thop", "all"),
        (2, 2),
        {
            "{32,64,128,256,512}": "unet",
            "{16,32,64,128,160,256}": "basic_unet_256",
            "{8,16,32,64,128,160}": "basic_unet_160",
            "{8,16,32,48,64,96}": "basic_unet_96",
            "{8,16,24,32,48,64}": "basic_unet",
        },
    ),
    Table(
        "malunet_table4_single_module_isic2018",
        "MALUNet, Table IV: one module",
        ("thop", "all"),
        (2, 2),
        {
            "BasicUNet (BU)": "basic_unet",
            "BU + DGA": "basic_unet_dga",
            "BU + EA": "basic_unet_ea",
            "BU + IEA": "basic_unet_iea",
            "BU + CAB": "basic_unet_cab",
            "BU + SAB": "basic_unet_sab",
        },
    ),
    Table(
        "malunet_table5_four_modules_isic2018",
        "MALUNet, Table V: four modules",
        ("thop", "all"),
        (3, 3),
        {
            "BU+DGA+IEA+(A: CAB first)": "malunet_dga_iea_cab_sab",
            "BU+DGA+IEA+(B: SAB first)": "malunet_dga_iea",
            "BU+IEA+DGA+(A: CAB first)": "malunet_cab_sab",
            "BU+IEA+DGA+(B: SAB first) = MALUNet": "malunet",
        },
    ),
    Table(
        "egeunet_table2_ablation_isic2017",
        "EGE-UNet, Table 2: ablation",
        ("all", "thop"),
        (3, 3),
        {
            "Baseline": "egeunet_baseline",
            "Baseline + GHPA": "egeunet_ghpa",
            "Baseline + GAB": "egeunet_gab",
            "w/o multi-axis grouping": "egeunet_single_axis",
            "w/o DW for initialized tensor": "egeunet_raw_tensors",
            "w/o mask information": "egeunet_no_mask",
            "w/o dilation rate of Conv2d": "egeunet_no_dilation",
        },
    ),
    Table(
        "malunet_table1_isic2017",
        "MALUNet, Table I",
        ("thop", "all"),
        (3, 3),
        {
            "UNet": "unet",
            "TransFuse": "transfuse_s",
            "UTNetV2": "utnetv2_small",
            "MALUNet": "malunet",
        },
    ),
    Table(
        "malunet_table2_isic2018",
        "MALUNet, Table II",
        ("thop", "all"),
        (3, 3),
        {
            "UNet": "unet",
            "UNet++": "unetpp",
            "Attention-UNet": "attention_unet, min_gate_channels=16",
            "TransFuse": "transfuse_s",
            "SANet": "sanet",
            "UTNetV2": "utnetv2_small",
            "MALUNet": "malunet",
        },
    ),
    Table(
        "egeunet_table1_isic2017",
        "EGE-UNet, Table 1",
        ("all", "thop"),
        (3, 3),
        {
            "UNet": "unet",
            "TransFuse": "transfuse_s",
            "UTNetV2": "utnetv2_small",
            "MobileViTv2": "mobilevitv2",
            "MobileNetv3": "mobilenetv3",
            "MALUNet": "malunet",
            "EGE-UNet": "egeunet",
        },
        two_decimals=("MobileViTv2", "MobileNetv3"),
    ),
]
ABLATIONS = TABLES[:4]
# Rows that are a registered network with other arguments than its own.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "attention_unet, min_gate_channels=16": ("attention_unet", {"min_gate_channels": 16}),
}
LMSAUNET = ("lmsaunet_n2", "lmsaunet_n4", "lmsaunet_n8", "lmsaunet_n16", "lmsaunet")
COMPARED = ("unet_1024", "segnet", "deeplabv3", "bisenet", "transunet_small")
WITHOUT_ATTENTION = ("lmsaunet_n8_no_attention", "lmsaunet_no_attention")

_DGA_FIRST = (
    "The paper does not say where the modules stand when DGA comes first. Mirrored stages "
    "(encoder: DGA, IEA at C_out; decoder: IEA at C_in, DGA) come nearest among the 16 placements "
    "that were tried."
)
_UNET_TWICE = "Tables I and II print 13.78 and Table III 13.76 for one network."
NOTES = {
    "malunet_dga_iea": _DGA_FIRST,
    "malunet_dga_iea_cab_sab": _DGA_FIRST,
    "unet in MALUNet, Table I": _UNET_TWICE,
    "unet in MALUNet, Table II": _UNET_TWICE,
    "transfuse_s in EGE-UNet, Table 1": "MALUNet prints 26.27 and 11.53 for it, which agree. "
    "thop's counts without LayerNorm and upsampling would round to EGE-UNet's figures.",
    "utnetv2_small": "Of the settings of the public code that were tried, this comes nearest in "
    "both; see [the readings](peer_readings.md).",
    "malunet in EGE-UNet, Table 1": "No counter gives EGE-UNet's 0.085 for MALUNet, whose own "
    "paper prints 0.083.",
}


@dataclasses.dataclass(frozen=True)
class Match:
    """A figure of a paper beside the reading that comes nearest to it."""

    paper: float
    ours: float
    counter: str
    agrees: bool


def build(name: str, num_classes: int = 1) -> SegmentationModel:
    """Create a network by the name that a row has for it."""
    arch, arguments = VARIANTS.get(name, (name, {}))
    return skinseg.create_model(arch, num_classes=num_classes, **arguments)


def measure(name: str, num_classes: int = 1) -> dict[str, dict[str, int]]:
    """All readings of a network's parameters and multiply-accumulates."""
    model = build(name, num_classes)
    macs = count_macs(model, torch.zeros(1, *INPUT), list(COUNTERS))
    parameters = {"all": count_parameters(model).total, "thop": thop_parameters(model, INPUT)}
    return {"parameters": parameters, "macs": macs}


def match(paper: float, decimals: int, readings: dict[str, float]) -> Match:
    """The first reading that rounds to the paper's figure; or is cut off to it; or is nearest."""
    unit = 10 ** -(2 if paper >= 1 else decimals)
    rules = {
        "": lambda value: abs(value - paper) <= unit / 2 + 1e-12,
        ", cut off": lambda value: 0 <= value - paper < unit,
    }
    for suffix, agrees in rules.items():
        for counter, value in readings.items():
            if agrees(value):
                return Match(paper, value, counter + suffix, True)
    counter, value = min(readings.items(), key=lambda item: abs(item[1] - paper))
    return Match(paper, value, counter, False)


def rows(table: Table, figures: dict[str, Any], measured: dict[str, Any]) -> list[dict[str, Any]]:
    """Every row of a table that is a network of this package."""
    result = []
    for row in figures[table.key]:
        name = table.networks.get(row["model"])
        if name is None:
            continue
        counts = measured[name]
        parameters = {key: counts["parameters"][key] / 1e6 for key in table.parameters}
        macs = {key: counts["macs"][key] / 1e9 for key in MAC_COUNTERS}
        decimals = (2, 2) if row["model"] in table.two_decimals else table.decimals
        matches = {
            "parameters_m": match(row["params_m"], decimals[0], parameters),
            "gmacs": match(row["gflops"], decimals[1], macs),
        }
        agrees = all(figure.agrees for figure in matches.values())
        note = NOTES.get(name) or NOTES.get(f"{name} in {table.title}") or ""
        result.append(
            {
                "row": row["model"],
                "network": name,
                **{key: dataclasses.asdict(figure) for key, figure in matches.items()},
                "agrees": agrees,
                "note": "" if agrees else note,
            }
        )
    return result


def results() -> dict[str, Any]:
    """Measure everything."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    names = sorted({name for table in TABLES for name in table.networks.values()})
    measured = {name: measure(name) for name in names}
    tables = {table.title: rows(table, figures, measured) for table in TABLES}
    ablations = [row for table in ABLATIONS for row in tables[table.title]]
    lmsaunet = {name: measure(name, 2) for name in (*LMSAUNET, *WITHOUT_ATTENTION, *COMPARED)}
    return {
        "input": list(INPUT),
        "ablation_rows": len(ablations),
        "ablation_rows_that_agree": sum(row["agrees"] for row in ablations),
        "tables": tables,
        "lmsaunet": {
            "paper_parameters_m": figures["lmsaunet_claims"]["params_m"],
            "networks": lmsaunet,
        },
        "egeunet_as_quoted_by_lmsaunet": dataclasses.asdict(
            match(
                figures["lmsaunet_claims"]["egeunet_params_m_as_quoted"],
                3,
                {key: value / 1e6 for key, value in measured["egeunet"]["parameters"].items()},
            )
        ),
    }


def page(data: dict[str, Any]) -> str:
    """Return the page made from the figures."""
    agree, count = data["ablation_rows_that_agree"], data["ablation_rows"]
    quoted = data["egeunet_as_quoted_by_lmsaunet"]
    parts = [
        "# The papers' cost tables, re-measured",
        "",
        "Written by `benchmarks/costs/paper_tables.py` (`make tables`) from `paper_tables.json`. "
        "One image of 3x256x256. M: millions of parameters; G: giga multiply-accumulates, which "
        "the papers call GFLOPs. Each of our figures names its counter: `all` is every parameter, "
        "`thop` leaves out GroupNorm and bare tensors; the counters of multiply-accumulates are "
        "those of `skinseg.complexity`. *Cut off* means that the paper dropped the further digits "
        "instead of rounding.",
        "",
        f"**{agree} of the {count} rows of the ablation tables (MALUNet III to V, EGE-UNet 2) "
        "agree in both figures.**",
    ]
    for title, table in data["tables"].items():
        parts += ["", f"## {title}", "", *_table(table)]
    parts += [
        "",
        "## LMSAUNet",
        "",
        f"The paper prints {data['lmsaunet']['paper_parameters_m']} M and says N = 8 in its text; "
        "only N = 32 has so few parameters. The released weights are of N = 8. Two classes, as in "
        "the authors' code. The last rows are the networks of its comparison, whose costs it does "
        f"not print. The same paper quotes EGE-UNet at {quoted['paper']} M, which is "
        f"`{quoted['counter']}`'s {quoted['ours']:.6f}.",
        "",
        "| network | M, all | M, thop | G, thop | G, torch | G, ptflops-pytorch |",
        "|---|---|---|---|---|---|",
    ]
    for name, counts in data["lmsaunet"]["networks"].items():
        cells = [f"{counts['parameters'][key] / 1e6:.6f}" for key in ("all", "thop")]
        cells += [
            f"{counts['macs'][key] / 1e9:.3f}" for key in ("thop", "torch", "ptflops-pytorch")
        ]
        parts.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(parts) + "\n"


def _table(table: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| row | network | M, paper | M, ours | counter | G, paper | G, ours | counter | |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in table:
        cells = [row["row"], f"`{row['network']}`"]
        for key in ("parameters_m", "gmacs"):
            figure = row[key]
            missed = "" if figure["agrees"] else f" ({figure['ours'] / figure['paper'] - 1:+.2%})"
            cells += [f"{figure['paper']}", f"{figure['ours']:.4f}{missed}", figure["counter"]]
        cells.append("agrees" if row["agrees"] else f"**differs.** {row['note']}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    data = results()
    write_result(RESULTS, data, page(data))


if __name__ == "__main__":
    main()
