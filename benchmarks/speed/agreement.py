"""Do all runtimes draw the same masks on real images? And is less precision faster, and as good?

    python benchmarks/speed/agreement.py --data FOLDER

Every network that ships, on the validation images of ISIC 2017: masks by each runtime and format,
compared with those of the published form in torch; and with weights or arithmetic of less
precision, beside the time of a pass. Writes docs/results/agreement.json and .md.
"""

import argparse
import contextlib
import copy
import importlib.util
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import skinseg
from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, write_result
from benchmarks.speed.quantized import write_quantized
from skinseg.complexity.latency import time_alternately
from skinseg.data import ISIC2017, PairDataset, read_mask
from skinseg.exporting import FORMATS
from skinseg.inference import Prediction
from skinseg.metrics.overlap import count_pixels, overlap_scores
from skinseg.models import SegmentationModel
from skinseg.runtimes import ExportedFileError
from skinseg.runtimes.files import open_file

RESULTS = FOLDER / "agreement"
BASE = "published"
FLOAT = "onnx"
# Ways that compute in less than float32, or keep their weights in less.
REDUCED = ("onnx, half weights", "onnx, 8 bits", "torch, bfloat16")
BATCH, ROUNDS = 10, 30
Pass = Callable[[np.ndarray], np.ndarray]


def of_torch(module: Callable[[torch.Tensor], torch.Tensor]) -> Pass:
    """Return a call with arrays."""
    return lambda batch: module(torch.from_numpy(batch)).float().numpy()


def in_bfloat16(network: nn.Module) -> Pass:
    """Return a pass in bfloat16, in the layout that is fast on a CPU."""
    reduced = copy.deepcopy(network).to(torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return of_torch(lambda x: reduced(x.contiguous(memory_format=torch.channels_last).bfloat16()))


def passes(network: SegmentationModel, size: int, folder: Path) -> Iterator[tuple[str, Pass]]:
    """Yield all ways that are installed, the published form first."""
    yield BASE, of_torch(network)
    yield "optimized", of_torch(skinseg.optimize(network, size))
    yield "compiled", of_torch(torch.compile(network))
    for format, facts in FORMATS.items():
        if all(importlib.util.find_spec(package) for package in facts.packages):
            path = folder / f"network{facts.suffix}"
            # What cannot be exported is listed in the export matrix.
            with contextlib.suppress(skinseg.ExportError):
                skinseg.export(network, path, format=format, size=size)
                yield format, open_file(path, threads=1)
    half = folder / "half.onnx"
    skinseg.export(network, half, size=size, half=True)
    yield REDUCED[0], open_file(half, threads=1)
    whole = folder / f"network{FORMATS[FLOAT].suffix}"
    # Of MALUNet ONNX Runtime writes a quantized file that it cannot read.
    with contextlib.suppress(ExportedFileError):
        yield REDUCED[1], open_file(write_quantized(whole, folder / "quantized.onnx"), threads=1)
    yield REDUCED[2], in_bfloat16(network)


def measure(name: str, dataset: PairDataset) -> dict[str, Any]:
    """Return what each way gives with one network."""
    predictor = skinseg.Predictor(name)
    network, size = predictor.model.eval(), predictor.input_size[0]
    indices = range(len(dataset))
    prepared = [predictor.transforms.prepare(dataset.image_path(index)) for index in indices]
    inputs = np.stack([image.pixels for image in prepared])
    truths = [read_mask(str(dataset.mask_path(index))) > 0 for index in indices]
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        ways = dict(passes(network, size, Path(folder)))
        logits = {way: run(inputs, call, batch_of(way)) for way, call in ways.items()}
        timed = {way: partial(ways[way], inputs[:1]) for way in (FLOAT, *REDUCED) if way in ways}
        times = time_alternately(timed, rounds=ROUNDS)
    expected = masks(logits[BASE], predictor.threshold)
    found = {
        way: compare(values, predictor.threshold, expected, truths)
        for way, values in logits.items()
    }
    for way, latency in times.items():
        found[way]["milliseconds"] = latency.median
    return {"size": size, "ways": found}


def batch_of(way: str) -> int:
    """How many images a way takes at once."""
    batch = FORMATS[way].batch if way in FORMATS else None
    return batch or BATCH


def run(inputs: np.ndarray, call: Pass, batch: int) -> np.ndarray:
    """Return the logits of all images."""
    starts = range(0, len(inputs), batch)
    return np.concatenate([call(inputs[start : start + batch]) for start in starts])


def compare(
    logits: np.ndarray, threshold: float, expected: list[np.ndarray], truths: list[np.ndarray]
) -> dict[str, float]:
    """Return how well masks overlap with those of the published form, and with the truth."""
    agreed = _counts(masks(logits, threshold), expected)
    scored = _counts(masks(logits, threshold, [truth.shape for truth in truths]), truths)
    return {
        "iou": float(overlap_scores(agreed.sum(0))["iou"]),
        "least_iou": float(overlap_scores(agreed)["iou"].min()),
        "pooled_iou": float(overlap_scores(scored.sum(0))["iou"]),
    }


def masks(
    logits: np.ndarray, threshold: float, sizes: Sequence[tuple[int, ...]] | None = None
) -> list[np.ndarray]:
    """Return masks of logits (B, 1, h, w), at the images' sizes (H, W) or the network's."""
    sizes = sizes or [logits.shape[2:]] * len(logits)
    return [
        Prediction.from_logits(image, (size[0], size[1]), threshold).mask
        for image, size in zip(logits, sizes, strict=True)
    ]


def _counts(predicted: list[np.ndarray], truths: list[np.ndarray]) -> np.ndarray:
    return np.stack(
        [count_pixels(one, other) for one, other in zip(predicted, truths, strict=True)]
    )


def page(results: dict[str, Any]) -> str:
    """Return the page made from the figures."""
    ways = {way: None for network in results["networks"].values() for way in network["ways"]}
    networks = results["networks"].items()
    least = min(
        found["ways"][way]["iou"]
        for _, found in networks
        for way in found["ways"]
        if way not in REDUCED
    )
    lines = [
        "# Agreement of the runtimes",
        "",
        "Written by `benchmarks/speed/agreement.py`. Masks of the networks that ship on the",
        f"{results['images']} validation images of ISIC 2017, at the size of the weights, by each",
        "way to run them, compared with those of the published form in torch: the IoU over all",
        "images, and of the image that differs most. Over all images no way in single precision",
        f"is below {math.floor(least * 1e5) / 1e5:.5f}.",
        "",
        "| network | " + " | ".join(way for way in ways if way not in (BASE, *REDUCED)) + " |",
    ]
    lines.append("|---" * (lines[-1].count("|") - 1) + "|")
    for name, found in networks:
        cells = [
            _cell(found["ways"].get(way), ("iou", "least_iou"))
            for way in ways
            if way not in (BASE, *REDUCED)
        ]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## Less precision",
        "",
        "Milliseconds of a pass of one image on one thread, in turns; the IoU with the published",
        "form's masks; and the pooled IoU with the experts' masks. A cell is empty where ONNX",
        "Runtime cannot read what its own quantization wrote.",
        "",
        f"| network | {FLOAT} | " + " | ".join(REDUCED) + " |",
        "|---" * (len(REDUCED) + 2) + "|",
    ]
    keys = ("milliseconds", "iou", "pooled_iou")
    for name, found in networks:
        cells = [_cell(found["ways"].get(way), keys) for way in (FLOAT, *REDUCED)]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


_DIGITS = {"iou": 5, "least_iou": 4, "pooled_iou": 4, "milliseconds": 2}


def _cell(found: dict[str, float] | None, keys: tuple[str, ...]) -> str:
    return "" if found is None else ", ".join(f"{found[key]:.{_DIGITS[key]}f}" for key in keys)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of ISIC 2017")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these networks alone, again")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset = ISIC2017(arguments.data, "val")
    results: dict[str, Any] = {"provenance": provenance(), "images": len(dataset), "networks": {}}
    if arguments.only:
        recorded = json.loads(RESULTS.with_suffix(".json").read_text(encoding="utf-8"))
        results["networks"] = recorded["networks"]
    for name in arguments.only or skinseg.list_pretrained("*.isic2017"):
        results["networks"][name] = measure(name, dataset)
        print(name, results["networks"][name], flush=True)
        write_result(RESULTS, results, page(results))


if __name__ == "__main__":
    main()
