"""Look for the settings that give the printed costs of MobileViTv2, MobileNetV3 and UTNetV2.

    python benchmarks/costs/peer_readings.py

MALUNet's and EGE-UNet's tables print their parameters and GFLOPs, and the papers say neither how
the first two segment nor which of UTNetV2's many settings they took. This counts every reading at
3x256x256, a minute long, and writes docs/results/peer_readings.json and .md.
"""

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

import skinseg
from benchmarks.costs.counts import count
from benchmarks.costs.paper_tables import Match, match
from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, ROOT, write_result
from skinseg.models import UTNetV2
from skinseg.models.features import FeaturePyramid

FIGURES = ROOT / "benchmarks" / "paper_figures.json"
TABLE = "egeunet_table1_isic2018"
RESULTS = FOLDER / "peer_readings"
INPUT = (3, 256, 256)
MAC_COUNTERS = ("torch", "thop")
# What each row of the table is made of here.
ENCODERS = {"MobileViTv2": "mobilevitv2", "MobileNetv3": "mobilenetv3"}

# Module of a decoder's stage, of the channels that it is given and those of the skip.
Stage = Callable[[int, int], nn.Module]


class Decoded(nn.Module):
    """An encoder under a decoder that joins one skip after the other.

    Args:
        encoder: The feature maps.
        stage: Maker of the stages.
        concat: Whether the skip is concatenated before the stage, or else added after it.
        early: Whether the map is enlarged before the stage, or else after it.
    """

    def __init__(
        self, encoder: FeaturePyramid, stage: Stage, *, concat: bool = False, early: bool = False
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.concat = concat
        self.early = early or concat
        widths = encoder.feature_info.channels()[::-1]
        self.stages = nn.ModuleList(
            stage(wide + narrow if concat else wide, narrow)
            for wide, narrow in itertools.pairwise(widths)
        )
        self.head = nn.Conv2d(widths[-1], 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, H, W) to logits (B, 1, H / 2, W / 2)."""
        *skips, x = self.encoder(x)
        for stage, skip in zip(self.stages, reversed(skips), strict=True):
            if self.early:
                x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear")
            x = stage(torch.cat([x, skip], 1) if self.concat else x)
            if not self.early:
                x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear")
            x = x if self.concat else x + skip
        logits: torch.Tensor = self.head(x)
        return logits


class LRASPP(nn.Module):
    """MobileNetV3's own head: the deepest map and its mean, joined at 1/8 of the image's size."""

    def __init__(self, encoder: FeaturePyramid, width: int = 128) -> None:
        super().__init__()
        self.encoder = encoder
        channels = encoder.feature_info.channels()
        self.reduce = conv(channels[-1], width, 1)
        self.gate = nn.Conv2d(channels[-1], width, 1, bias=False)
        self.low = nn.Conv2d(channels[2], 1, 1)
        self.high = nn.Conv2d(width, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, H, W) to logits (B, 1, H / 8, W / 8)."""
        *_, low, _, deep = self.encoder(x)
        gate = self.gate(deep.mean((2, 3), keepdim=True)).sigmoid()
        x = F.interpolate(self.reduce(deep) * gate, size=low.shape[-2:], mode="bilinear")
        logits: torch.Tensor = self.low(low) + self.high(x)
        return logits


def conv(in_chans: int, out_chans: int, kernel_size: int = 3) -> nn.Module:
    """Convolution with bias, BatchNorm, ReLU."""
    layer = nn.Conv2d(in_chans, out_chans, kernel_size, padding=kernel_size // 2)
    return nn.Sequential(layer, nn.BatchNorm2d(out_chans), nn.ReLU())


def separable(in_chans: int, out_chans: int) -> nn.Module:
    """Depthwise 3x3 and 1x1 convolution, each with BatchNorm and ReLU."""
    depthwise = nn.Conv2d(in_chans, in_chans, 3, padding=1, groups=in_chans)
    return nn.Sequential(
        depthwise, nn.BatchNorm2d(in_chans), nn.ReLU(), conv(in_chans, out_chans, 1)
    )


def double(in_chans: int, out_chans: int) -> nn.Module:
    return nn.Sequential(conv(in_chans, out_chans), conv(out_chans, out_chans))


def grouped(in_chans: int, out_chans: int) -> nn.Module:
    layer = nn.Conv2d(in_chans, out_chans, 3, padding=1)
    return nn.Sequential(layer, nn.GroupNorm(4, out_chans), nn.GELU())


HEADS: dict[str, Callable[[FeaturePyramid], nn.Module]] = {
    "BasicUNet's decoder: 3x3, GroupNorm, enlarged, skip added": lambda e: Decoded(e, grouped),
    "3x3, BatchNorm, enlarged, skip added": lambda e: Decoded(e, conv),
    "enlarged, 3x3, skip added": lambda e: Decoded(e, conv, early=True),
    "two 3x3, enlarged, skip added": lambda e: Decoded(e, double),
    "1x1, enlarged, skip added": lambda e: Decoded(e, lambda i, o: conv(i, o, 1)),
    "separable, enlarged, skip added": lambda e: Decoded(e, separable),
    "enlarged, skip concatenated, 3x3": lambda e: Decoded(e, conv, concat=True),
    "enlarged, skip concatenated, two 3x3": lambda e: Decoded(e, double, concat=True),
    "enlarged, skip concatenated, separable": lambda e: Decoded(e, separable, concat=True),
    "LR-ASPP of 128 channels": LRASPP,
}


@dataclasses.dataclass(frozen=True)
class Blocks:
    """How many blocks UTNetV2's stages have, in two of its authors' configurations."""

    convs: Sequence[int]
    transformers: Sequence[int]


BLOCKS = {
    "the constructor's": Blocks((2, 1, 0, 0), (1, 2, 2)),
    "those for ACDC": Blocks((2, 0, 0, 0), (2, 2, 2)),
}


def encoder(name: str) -> FeaturePyramid:
    network = skinseg.create_model(name, features_only=True)
    assert isinstance(network, FeaturePyramid)
    return network


def utnetv2_readings() -> Iterator[tuple[str, nn.Module]]:
    """UTNetV2 with each of its authors' settings."""
    for (name, blocks), source, map_size, expansion in itertools.product(
        BLOCKS.items(), ("features", "previous"), (2, 3, 4, 8), (1, 2, 4)
    ):
        what = f"blocks: {name}; maps of {source}, side {map_size}; expansion {expansion}"
        network = UTNetV2(
            convs=blocks.convs,
            transformers=blocks.transformers,
            map_source=source,
            map_size=map_size,
            expansion=expansion,
        )
        yield what, network


def readings() -> Iterator[tuple[str, str, nn.Module]]:
    """Every reading: the table's row, what it is, the network."""
    for row, name in ENCODERS.items():
        for what, make in HEADS.items():
            yield row, what, make(encoder(name))
    for what, network in utnetv2_readings():
        yield "UTNetV2", what, network


def results() -> dict[str, Any]:
    rows = json.loads(FIGURES.read_text(encoding="utf-8"))[TABLE]
    printed = {row["model"]: (row["params_m"], row["gflops"]) for row in rows}
    data: dict[str, Any] = {"input": list(INPUT), **provenance(), "rows": {}}
    for row, what, network in readings():
        parameters, gmacs = printed[row]
        entry = data["rows"].setdefault(
            row, {"parameters_m": parameters, "gmacs": gmacs, "readings": []}
        )
        entry["readings"].append({"what": what, **count(network, INPUT, MAC_COUNTERS)})
    return data


def matches(entry: dict[str, Any], reading: dict[str, Any]) -> tuple[Match, Match]:
    """A reading's figures beside the printed ones."""
    macs = {name: value / 1e9 for name, value in reading["macs"].items()}
    return (
        match(entry["parameters_m"], 2, {"all": reading["parameters"] / 1e6}),
        match(entry["gmacs"], 2, macs),
    )


def page(data: dict[str, Any]) -> str:
    """Return the page made from the figures."""
    parts = [
        "# Costs of MobileViTv2, MobileNetV3 and UTNetV2",
        "",
        "Written by `benchmarks/costs/peer_readings.py` from `peer_readings.json`. MALUNet's and "
        "EGE-UNet's tables print their costs; the papers say neither how the first two segment, "
        "nor which settings of UTNetV2 they took. Below is every reading that was tried: one "
        "image of 3x256x256; M: millions of parameters; G: giga multiply-accumulates by the "
        "counters `torch` and `thop` of `skinseg.complexity`. Figures that round to the printed "
        "ones are bold.",
    ]
    for row, entry in data["rows"].items():
        found = [r["what"] for r in entry["readings"] if all(m.agrees for m in matches(entry, r))]
        outcome = "Both figures agree in: " + "; ".join(found) if found else _nearest(entry)
        parts += [
            "",
            f"## {row}",
            "",
            f"Printed: {entry['parameters_m']} M, {entry['gmacs']} G. {outcome}.",
            "",
            *_table(entry),
        ]
    return "\n".join(parts) + "\n"


def _nearest(entry: dict[str, Any]) -> str:
    """Of the readings with the printed parameters, or of all, the one nearest in operations."""
    those = [r for r in entry["readings"] if matches(entry, r)[0].agrees] or entry["readings"]
    best = min(those, key=lambda r: abs(matches(entry, r)[1].ours - entry["gmacs"]))
    parameters, macs = matches(entry, best)
    off = macs.ours / macs.paper - 1
    return (
        f"**No reading gives both.** Nearest: {best['what']}, with {parameters.ours:.4f} M and "
        f"{macs.ours:.3f} G by {macs.counter} ({off:+.2%})"
    )


def _table(entry: dict[str, Any]) -> list[str]:
    lines = ["| reading | M | G, torch | G, thop |", "|---|---|---|---|"]
    for reading in entry["readings"]:
        agrees = matches(entry, reading)[0].agrees
        cells = [reading["what"], _bold(f"{reading['parameters'] / 1e6:.4f}", agrees)]
        for macs in reading["macs"].values():
            agrees = match(entry["gmacs"], 2, {"": macs / 1e9}).agrees
            cells.append(_bold(f"{macs / 1e9:.4f}", agrees))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _bold(text: str, bold: bool) -> str:
    return f"**{text}**" if bold else text


def main() -> None:
    data = results()
    write_result(RESULTS, data, page(data))


if __name__ == "__main__":
    main()
