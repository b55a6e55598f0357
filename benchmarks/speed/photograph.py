"""From a photograph to the file of its mask: time, memory, and whether the mask is the same.

    python benchmarks/speed/photograph.py --data FOLDER

Compares the predictor with `plain_photograph.py`, which does every step at full size, in one
process and in turns; `skinseg predict` over a folder with the JPEG decoder alone; its memory with
1,000 and 10,000 images; and the masks of the weights that ship, and their scores, both ways, on the
validation images of ISIC 2017 as they are and enlarged to 12 megapixels. Writes
docs/results/photograph.json and .md.
"""

import argparse
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, write_result
from benchmarks.speed import plain_photograph
from skinseg import Predictor, list_pretrained
from skinseg.batch import ResultFolder
from skinseg.cli.predict import predict as predict_command
from skinseg.data import ISIC2017, read_image, read_mask, synthetic_lesion
from skinseg.data.resizing import enough_for
from skinseg.metrics.overlap import count_pixels, overlap_scores

RESULTS = FOLDER / "photograph"
MODEL, INPUT_SIZE = "egeunet.isic2017", (128, 128)
# Width and height of photographs; the first is a common size of archives, the others of phones.
SIZES = {"0.2 MP": (512, 384), "2 MP": (1632, 1224), "12 MP": (4000, 3000)}
LARGE = "12 MP"
PLAIN, OURS = "plain", "predictor"
PARTS = ("single", "cold_start", "throughput", "memory", "agreement")
DECODERS = {"whole": False, "reduced": True}


def photograph(path: Path, size: tuple[int, int], seed: int = 0) -> Path:
    """Write a synthetic lesion as a camera would: with noise in every pixel, at JPEG quality 95."""
    image = Image.fromarray(synthetic_lesion(seed, 512)[0]).resize(size, Image.Resampling.BICUBIC)
    noise = np.random.default_rng(seed).standard_normal((size[1], size[0], 3), np.float32)
    noisy = (np.asarray(image) + 4 * noise).round().clip(0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(path, quality=95)
    return path


def seconds(function: Callable[[], object]) -> float:
    """Processor time of a call in this process, which other processes do not lengthen."""
    started = time.process_time()
    function()
    return time.process_time() - started


def single(folder: Path, rounds: int) -> dict[str, Any]:
    """Seconds from a file to the file of its mask and its measurements, on one core."""
    predictor = Predictor(MODEL, workers=1)
    (folder / "masks").mkdir()
    results = ResultFolder(folder / "masks")
    settings = (predictor.input_size, predictor.normalization, predictor.threshold)
    network = predictor.model.eval()
    found = {}
    for name, size in SIZES.items():
        file = photograph(folder / f"{name}.jpg", size)

        def plain(file: Path = file) -> None:
            plain_photograph.segment_file(network, file, folder / "plain.png", *settings)

        def ours(file: Path = file) -> None:
            results.write(file, predictor(file))

        steps: dict[str, Callable[[], object]] = {
            PLAIN: plain,
            OURS: ours,
            "decoding, whole": partial(decode, file, reduced=False),
            "decoding, reduced": partial(decode, file, reduced=True),
            "network": partial(network, torch.zeros(1, 3, *INPUT_SIZE)),
        }
        with torch.inference_mode():
            for step in steps.values():
                step()
            times = [{key: seconds(step) for key, step in steps.items()} for _ in range(rounds)]
        found[name] = {
            "megabytes": round(file.stat().st_size / 1e6, 2),
            "seconds": {key: [round(t[key], 5) for t in times] for key in steps},
        }
        print(name, {key: round(statistics.median(t[key] for t in times), 4) for key in steps})
    return found


def decode(file: Path, *, reduced: bool) -> None:
    """Decode a JPEG file with Pillow, whole or as much of it as the predictor asks for."""
    with Image.open(file) as image:
        if reduced:
            image.draft(image.mode, enough_for(INPUT_SIZE))
        image.load()


def cold_start(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of the whole command for one photograph, and the processor time in them."""
    file = photograph(folder / "one.jpg", SIZES[LARGE])
    command = [sys.executable, "-m", "skinseg", "predict", str(file), "--model", MODEL]
    command += ["--output", str(folder / "one"), "--quiet"]
    wall, processor = [], []
    for _ in range(rounds + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        subprocess.run(command, check=True)
        wall.append(round(time.perf_counter() - started, 2))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        processor.append(round(used, 2))
    print("cold start", wall[1:], processor[1:])
    # The first one reads the files of the environment from the disk.
    return {"wall": wall[1:], "processor": processor[1:]}


def throughput(folder: Path, photographs: int, rounds: int) -> dict[str, Any]:
    """Seconds per photograph on all cores: the command, and the decoder alone, in turns."""
    images = folder / "photographs"
    images.mkdir()
    first = [photograph(images / f"{seed}.jpg", SIZES[LARGE], seed) for seed in range(4)]
    for index in range(len(first), photographs):
        os.link(first[index % len(first)], images / f"{index}.jpg")
    files = sorted(images.iterdir())

    def decoder(reduced: bool) -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(partial(decode, reduced=reduced), files))

    ways: dict[str, Callable[[], None]] = {
        f"decoder, {name}": partial(decoder, reduced) for name, reduced in DECODERS.items()
    }
    ways[OURS] = partial(
        predict_command,
        [str(images)],
        str(folder / "results"),
        model=MODEL,
        quiet=True,
        overwrite=True,
    )
    wall: dict[str, list[float]] = {way: [] for way in ways}
    processor: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds + 1):
        for way, run in ways.items():
            started = time.perf_counter()
            used = seconds(run)
            if turn:
                wall[way].append(round((time.perf_counter() - started) / photographs, 5))
                processor[way].append(round(used / photographs, 5))
    print("throughput", wall, processor)
    return {"photographs": photographs, "wall": wall, "processor": processor}


def memory(folder: Path, counts: tuple[int, ...]) -> dict[str, float]:
    """Peak memory of the command in MB, for folders of small images."""
    peaks = {}
    source = folder / "small.jpg"
    Image.fromarray(synthetic_lesion(0, 256)[0]).save(source)
    for count in counts:
        images = folder / f"images{count}"
        images.mkdir()
        for index in range(count):
            os.link(source, images / f"{index}.jpg")
        script = (
            "import sys; from pathlib import Path; from skinseg.cli.predict import predict; "
            "predict([sys.argv[1]], sys.argv[2], model=sys.argv[3], quiet=True); "
            # Not from `getrusage`, which begins with what this process has.
            "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
        )
        command = [sys.executable, "-c", script, str(images), str(folder / f"masks{count}"), MODEL]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        peaks[str(count)] = round(int(done.stdout) / 1024, 1)
    print("memory", peaks)
    return peaks


class Comparison:
    """Masks of one network, plain and the predictor's, and the scores of both."""

    def __init__(self, name: str) -> None:
        self.predictor = Predictor(name, workers=1)
        self.network = self.predictor.model.eval()
        self.counts = {PLAIN: np.zeros(4, np.int64), OURS: np.zeros(4, np.int64)}
        self.agreeing: list[float] = []
        self.ious: list[float] = []
        self.confidences: list[float] = []

    def add(self, file: Path, rgb: np.ndarray, truth: np.ndarray) -> None:
        """Segment an image both ways and count what comes out."""
        p = self.predictor
        settings = (p.input_size, p.normalization, p.threshold)
        plain = plain_photograph.predict(self.network, rgb, *settings)
        ours = p(file)
        for way, mask in ((PLAIN, plain.mask), (OURS, ours.mask)):
            self.counts[way] += count_pixels(mask, truth)
        union = np.count_nonzero(plain.mask | ours.mask)
        both = np.count_nonzero(plain.mask & ours.mask)
        self.agreeing.append(float((plain.mask == ours.mask).mean()))
        self.ious.append(float(both / union) if union else 1.0)
        confidence = plain_photograph.measurements(plain)["confidence"]
        self.confidences.append(abs(confidence - ours.confidence))

    def figures(self) -> dict[str, Any]:
        """How near the masks are, and the scores."""
        scores = {way: overlap_scores(counts) for way, counts in self.counts.items()}
        return {
            "pixels_that_agree": round(statistics.mean(self.agreeing), 6),
            "mean_iou_of_masks": round(statistics.mean(self.ious), 5),
            "median_iou_of_masks": round(statistics.median(self.ious), 5),
            "lowest_iou_of_masks": round(min(self.ious), 4),
            "largest_change_of_confidence": round(max(self.confidences), 4),
            "pooled_iou": {way: round(float(s["iou"]), 4) for way, s in scores.items()},
            "pooled_dice": {way: round(float(s["dice"]), 4) for way, s in scores.items()},
        }


def agreement(data: Path, folder: Path, images: int) -> dict[str, Any]:
    """Compare the masks of all weights that ship, on images as they are and as photographs."""
    dataset = ISIC2017(data, "val")
    found = {}
    for name in ("as they are", LARGE):
        comparisons = {model: Comparison(model) for model in list_pretrained("*.isic2017")}
        for index in range(min(images, len(dataset))):
            file, mask_file = dataset.image_path(index), dataset.mask_path(index)
            assert mask_file is not None
            truth = read_mask(mask_file)
            if name == LARGE:
                file, truth = enlarged(file, truth, folder / "large.jpg")
            rgb = read_image(file)
            for comparison in comparisons.values():
                comparison.add(file, rgb, truth)
        found[name] = {model: c.figures() for model, c in comparisons.items()}
        print(name, found[name])
        gc.collect()
    return found


def enlarged(file: Path, truth: np.ndarray, path: Path) -> tuple[Path, np.ndarray]:
    """Write an image as a photograph of 12 megapixels; return it with its mask."""
    size = SIZES[LARGE]
    image = Image.fromarray(read_image(file)).resize(size, Image.Resampling.BICUBIC)
    image.save(path, quality=95)
    return path, np.array(Image.fromarray(truth).resize(size, Image.Resampling.NEAREST))


def page(results: dict[str, Any]) -> str:
    """Return the page made from the figures."""
    lines = [
        "# From a photograph to its mask",
        "",
        "Written by `benchmarks/speed/photograph.py` with the weights `" + results["model"] + "`,",
        f"on {results['provenance']['hardware']}. The photographs are synthetic lesions with the",
        "noise of a camera, at JPEG quality 95. The plain way decodes them whole, resizes them",
        "with torch, and enlarges all logits and their sigmoid to full size; the predictor decodes",
        "JPEG files at the size that is needed and makes the mask from its outline.",
        "",
        "## One photograph on one core",
        "",
        "From the JPEG file to the PNG file of the mask with all measurements of the table;",
        "medians of rounds that take turns, milliseconds of processor time.",
        "",
        "| photograph | file | plain | predictor | ratio | decoding whole | decoding reduced "
        "| network |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, found in results["single"].items():
        ms = {key: 1000 * statistics.median(values) for key, values in found["seconds"].items()}
        times = " | ".join(f"{value:.1f}" for key, value in ms.items() if key not in (PLAIN, OURS))
        lines.append(
            f"| {name} | {found['megabytes']:.2f} MB | {ms[PLAIN]:.0f} | {ms[OURS]:.1f} | "
            f"{ms[OURS] / ms[PLAIN]:.3f} | {times} |"
        )
    lines += ["", *_command_lines(results), "", *_agreement_lines(results["agreement"])]
    return "\n".join(lines) + "\n"


def _command_lines(results: dict[str, Any]) -> list[str]:
    folder, start = results["throughput"], results["cold_start"]
    lines = [
        "## The command",
        "",
        f"A folder of {folder['photographs']} photographs of 12 megapixels on all cores, in turns",
        "with threads that do nothing but decode them: milliseconds per photograph, and how much",
        "of the decoder's speed `skinseg predict` reaches.",
        "",
        "| | time | processor time | predict's fraction, by time | by processor time |",
        "|---|---|---|---|---|",
    ]
    medians = {
        kind: {way: 1000 * statistics.median(values) for way, values in folder[kind].items()}
        for kind in ("wall", "processor")
    }
    for way, wall in medians["wall"].items():
        processor = medians["processor"][way]
        fractions = [
            "" if way == OURS else f"{medians[kind][way] / medians[kind][OURS]:.2f}"
            for kind in ("wall", "processor")
        ]
        name = "`skinseg predict`" if way == OURS else way
        lines.append(f"| {name} | {wall:.1f} | {processor:.1f} | " + " | ".join(fractions) + " |")
    wall, processor = (statistics.median(start[kind]) for kind in ("wall", "processor"))
    peaks = ", ".join(f"{peak:.0f} MB for {int(n):,}" for n, peak in results["memory"].items())
    return [
        *lines,
        "",
        f"Cold start: one photograph takes the whole command {wall:.1f} s, {processor:.1f} s of",
        f"them on the processor. Peak memory over folders of small images: {peaks}.",
    ]


def _agreement_lines(agreement: dict[str, Any]) -> list[str]:
    lines = [
        "## Are the masks the same?",
        "",
        "Masks of the plain way and of the predictor on the 150 official validation images of ISIC",
        "2017, squeezed to 256x256 as they are and enlarged to JPEG files of 12 megapixels; IoU",
        "and Dice against the true masks, pooled over all pixels, plain and the predictor's.",
        "",
        "| images | weights | pixels that agree | IoU of both masks: median, lowest | confidence "
        "changes by at most | pooled IoU | pooled Dice |",
        "|---|---|---|---|---|---|---|",
    ]
    for images, models in agreement.items():
        for model, found in models.items():
            scores = " | ".join(
                f"{found[key][PLAIN]:.4f}, {found[key][OURS]:.4f}"
                for key in ("pooled_iou", "pooled_dice")
            )
            lines.append(
                f"| {images} | {model} | {100 * found['pixels_that_agree']:.3f} % | "
                f"{found['median_iou_of_masks']:.4f}, {found['lowest_iou_of_masks']:.4f} | "
                f"{found['largest_change_of_confidence']:.4f} | {scores} |"
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of ISIC 2017")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--photographs", type=int, default=48, help="in the folder")
    parser.add_argument("--images", type=int, default=150, help="whose masks are compared")
    parser.add_argument("--counts", type=int, nargs="*", default=[1000, 10_000], help="for memory")
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS, help="others are kept")
    arguments = parser.parse_args()
    origin = provenance()
    torch.set_num_threads(1)
    results: dict[str, Any] = {}
    if set(arguments.parts) < set(PARTS):
        results = json.loads(RESULTS.with_suffix(".json").read_text(encoding="utf-8"))
    results |= {"provenance": origin, "model": MODEL}
    for part in arguments.parts:
        with tempfile.TemporaryDirectory() as name:
            results[part] = measured(part, Path(name), arguments)
    write_result(RESULTS, results, page(results))


def measured(part: str, folder: Path, arguments: argparse.Namespace) -> Any:
    """The figures of one part of the page."""
    if part == "single":
        return single(folder, arguments.rounds)
    if part == "cold_start":
        return cold_start(folder, 3)
    if part == "throughput":
        return throughput(folder, arguments.photographs, 3)
    if part == "memory":
        return memory(folder, tuple(arguments.counts))
    return agreement(arguments.data, folder, arguments.images)


if __name__ == "__main__":
    main()
