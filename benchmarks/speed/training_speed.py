"""Images per second of the trainer and of a plain training loop, side by side.

    python benchmarks/speed/training_speed.py --data FOLDER [--before CHECKOUT]

The plain loop is what a script usually does: a DataLoader that decodes, resizes, flips and rotates
image by image with Pillow, then forward, loss, backward and AdamW in the default layout. Both
learn with the paper's recipe at 256x256, in batches of 8, on all cores; the trainer also with one
process per core. With a checkout of an earlier commit, its trainer takes turns with them. Writes
docs/results/training_speed.json and .md.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

import skinseg
from benchmarks.provenance import commit_of, provenance
from benchmarks.results import FOLDER, ROOT, write_result
from skinseg.data import ISIC2017, PairDataset
from skinseg.losses import deep_supervision_loss
from skinseg.training import get_recipe, train

RESULTS = FOLDER / "training_speed"
# Networks, and how many images an epoch has: LMSAUNet takes seconds for a batch.
NETWORKS = {"malunet": 64, "egeunet": 64, "basic_unet": 64, "lmsaunet": 8}
SIZE, BATCH = 256, 8
# Names in the recorded figures.
PLAIN, ONE, MANY = "plain loop", "trainer, one process", "trainer, one process a core"
WAYS = (PLAIN, ONE, MANY)
BEFORE = "trainer before"


class PlainImages(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Images and masks, decoded and changed one by one with Pillow."""

    def __init__(self, dataset: PairDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image = Image.open(self.dataset.image_path(index)).convert("RGB")
        mask = Image.open(self.dataset.mask_path(index)).convert("L")
        image, mask = image.resize((SIZE, SIZE)), mask.resize((SIZE, SIZE))
        for flip in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM):
            if random.random() < 0.5:
                image, mask = image.transpose(flip), mask.transpose(flip)
        if random.random() < 0.5:
            angle = random.uniform(0, 360)
            image, mask = image.rotate(angle, Image.Resampling.BILINEAR), mask.rotate(angle)
        x = torch.from_numpy(np.asarray(image, np.float32)).permute(2, 0, 1)
        x = (x - x.min()) / (x.max() - x.min()) * 255
        return x, torch.from_numpy(np.asarray(mask) > 127)[None].float()


def plain_loop(network: str, dataset: PairDataset) -> float:
    """Images per second of the second epoch."""
    model = skinseg.create_model(network).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    loader = DataLoader(PlainImages(dataset), batch_size=BATCH, shuffle=True)
    for _ in range(2):
        started = time.perf_counter()
        for x, target in loader:
            logits, aux = model(x, return_aux=True)
            loss = deep_supervision_loss(logits, aux, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
    return len(dataset) / (time.perf_counter() - started)


def trainer(network: str, dataset: PairDataset, output: str) -> float:
    """Images per second of the second epoch, of all processes together."""
    recipe = get_recipe(
        "paper-egeunet" if network == "egeunet" else "paper-malunet",
        epochs=2,
        cosine_epochs=None,
        keep="last",
    )
    model = skinseg.create_model(network)
    return train(model, dataset, None, output, recipe, progress=False)[-1]["images_per_second"]


def measured(arguments: argparse.Namespace, network: str, way: str) -> float:
    """Images per second of one way, in processes of its own: the trainer sets theirs up."""
    root = arguments.before if way == BEFORE else ROOT
    command, environment = [sys.executable], {**os.environ, "PYTHONPATH": str(root)}
    if way == MANY:
        command += ["-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc-per-node={os.cpu_count()}"]
        environment["OMP_NUM_THREADS"] = "1"
    command += [str(root / Path(__file__).relative_to(ROOT)), "--data", str(arguments.data)]
    command += ["--images", str(NETWORKS[network])]
    with tempfile.TemporaryDirectory() as output:
        command += ["--only", network, way, output]
        done = subprocess.run(
            command, check=True, env=environment, stdout=subprocess.PIPE, text=True, cwd=root
        )
    return float(done.stdout.split()[-1])


def page(results: dict[str, Any]) -> str:
    """Return the page made from the figures."""
    medians = {
        network: {way: statistics.median(values) for way, values in speeds.items()}
        for network, speeds in results["images_per_second"].items()
    }
    lines = [
        "# Training speed",
        "",
        "Written by `benchmarks/speed/training_speed.py`. Images per second with the papers'",
        f"recipe ({SIZE}x{SIZE}, batches of {BATCH}), median of {results['rounds']} rounds that",
        f"take turns, on {results['provenance']['hardware']}; in brackets the ratio to the plain",
        "loop.",
        "",
        f"| network | {PLAIN} | {ONE} | trainer, one process per core |",
        "|---|---|---|---|",
    ]
    for network, speeds in medians.items():
        cells = [f"{speeds[way]:.1f} ({speeds[way] / speeds[PLAIN]:.2f})" for way in WAYS]
        lines.append(f"| {network} | " + " | ".join(cells) + " |")
    if results.get("before"):
        lines += ["", f"Beside them the trainer of commit {results['before']}, in one process:", ""]
        lines += ["| network | before | now | ratio |", "|---|---|---|---|"]
        lines += [
            f"| {network} | {speeds[BEFORE]:.1f} | {speeds[ONE]:.1f} "
            f"| {speeds[ONE] / speeds[BEFORE]:.2f} |"
            for network, speeds in medians.items()
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of ISIC 2017")
    parser.add_argument("--images", type=int, help="with --only, images of an epoch")
    parser.add_argument(
        "--networks",
        nargs="+",
        choices=NETWORKS,
        default=list(NETWORKS),
        help="measure these alone, and keep the others",
    )
    parser.add_argument("--before", type=Path, help="checkout of an earlier commit")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only", nargs=3, metavar=("NETWORK", "WAY", "FOLDER"), help="print one speed"
    )
    arguments = parser.parse_args()
    if arguments.only:
        network, way, output = arguments.only
        dataset = ISIC2017(arguments.data, "val")
        dataset = dataset.subset(dataset.ids[: arguments.images])
        plain = way == PLAIN
        print(plain_loop(network, dataset) if plain else trainer(network, dataset, output))
        return
    speeds: dict[str, dict[str, list[float]]]
    ways = (*WAYS, BEFORE) if arguments.before else WAYS
    speeds = {network: {way: [] for way in ways} for network in arguments.networks}
    for _ in range(arguments.rounds):
        for network, found in speeds.items():
            for way, values in found.items():
                values.append(round(measured(arguments, network, way), 2))
            print(network, {way: values[-1] for way, values in found.items()}, flush=True)
    if set(arguments.networks) < set(NETWORKS):
        recorded = json.loads(RESULTS.with_suffix(".json").read_text(encoding="utf-8"))
        speeds = {**recorded["images_per_second"], **speeds}
    results = {
        "provenance": provenance(),
        "images": NETWORKS,
        "rounds": arguments.rounds,
        "before": commit_of(arguments.before)[:8] if arguments.before else None,
        "images_per_second": speeds,
    }
    write_result(RESULTS, results, page(results))


if __name__ == "__main__":
    main()
