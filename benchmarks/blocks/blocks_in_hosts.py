"""Measure what blocks do to networks of other libraries: cost, and Dice after equal training.

    python benchmarks/blocks/blocks_in_hosts.py --data FOLDER

trains every host of docs/examples with every block for the same number of steps on the official
training images of ISIC 2017, scores the official validation images, and writes
docs/results/blocks_in_hosts.json and .md. Stopped, it goes on with the row that was not finished.
"""

import argparse
import importlib
import importlib.metadata
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import nn

import skinseg
from benchmarks.provenance import provenance
from benchmarks.results import FOLDER, ROOT
from skinseg.complexity import model_complexity
from skinseg.data import ISIC2017, Normalization, SegmentationDataset
from skinseg.data.augmentation import Augmentation
from skinseg.files import write_json, write_text
from skinseg.losses import segmentation_loss
from skinseg.training import MemoryDataset, validate

SMP, MONAI = "smp.Unet, MobileNetV3 small", "MONAI BasicUNet"
TIMM, OURS = "timm MobileNetV3, our decoder", "our encoder, smp's decoder"
SEGNET = "SegNet, a quarter as wide"
# Host, block, then the module of docs/examples and its functions, applied one after another; the
# first row of a host is the host alone.
ROWS = [
    (SMP, "", "smp_unet", ["unet"]),
    (SMP, "ECDF, decoder", "smp_unet", ["unet", "ecdf_decoder"]),
    (SMP, "DGA, bottleneck", "smp_unet", ["unet", "dga_bottleneck"]),
    (SMP, "SAB + CAB, skips", "smp_unet", ["unet", "bridged_skips"]),
    (SMP, "ECDF, DGA, SAB + CAB", "smp_unet", ["unet", "everything"]),
    (SMP, "GAB, skips", "smp_unet", ["unet", "gab_skips"]),
    (MONAI, "", "monai_basic_unet", ["basic_unet"]),
    (MONAI, "ECDF, everywhere", "monai_basic_unet", ["basic_unet", "ecdf_everywhere"]),
    (MONAI, "GHPA, deep stages", "monai_basic_unet", ["basic_unet", "ghpa_deep"]),
    (MONAI, "IEA, deep stages", "monai_basic_unet", ["basic_unet", "iea_deep"]),
    (MONAI, "SAB, skips", "monai_basic_unet", ["basic_unet", "sab_skips"]),
    (MONAI, "CAB, skips", "monai_basic_unet", ["basic_unet", "cab_skips"]),
    (TIMM, "", "bridged_unet", ["plain_unet"]),
    (TIMM, "DGA, decoder; SAB + CAB, skips", "bridged_unet", ["malunet_on_timm"]),
    (OURS, "", "encoder_for_smp", ["plain_encoder", "smp_unet"]),
    (OURS, "IEA + DGA, encoder", "encoder_for_smp", ["untrained_encoder", "smp_unet"]),
    (SEGNET, "", "skinseg", ["segnet"]),
    (SEGNET, "ECDF, all stages but the last", "skinseg", ["segnet_ecdf"]),
]
QUARTER = (16, 32, 64, 128, 128)
DUPLICATE = "ISIC_0012970"  # of the training split; the validation split has the picture, too
SIZE, BATCH, SEED = 128, 8, 0
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NORMALIZATION = Normalization(kind="mean_std", mean=MEAN, std=STD)
AUGMENTATION = Augmentation(rotate=1.0)
LIBRARIES = ("segmentation_models_pytorch", "timm", "monai")


def network(module: str, steps: list[str]) -> nn.Module:
    """The network of a row, with weights from the seed."""
    torch.manual_seed(SEED)
    if module == "skinseg":
        return skinseg.create_model(steps[0], channels=QUARTER)
    example = importlib.import_module(module)
    made = getattr(example, steps[0])()
    for step in steps[1:]:
        made = getattr(example, step)(made)
        made = getattr(made, "model", made)
    return made


def training_images(folder: str) -> SegmentationDataset:
    dataset = ISIC2017(folder, "train")
    return dataset.subset([name for name in dataset.ids if name != DUPLICATE])


def train(model: nn.Module, data: MemoryDataset, steps: int, title: str) -> None:
    """AdamW, cosine, BCE + Dice, flips and rotations; every row sees the same batches."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(SEED)
    model.train()
    for _ in track(range(steps), title):
        chosen = torch.randperm(len(data), generator=generator)[:BATCH]
        changes = AUGMENTATION.draw(BATCH, generator)
        images, target = changes.apply(data.images[chosen], data.masks[chosen])
        loss = segmentation_loss(model(NORMALIZATION(images)), target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()


@torch.inference_mode()
def milliseconds(model: nn.Module, repeats: int = 15) -> float:
    """Median processor time of one image. On one thread and an idle core that is the latency."""
    model.eval()
    x = torch.rand(1, 3, SIZE, SIZE)
    times = []
    for _ in range(repeats):
        started = time.thread_time()
        model(x)
        times.append(time.thread_time() - started)
    return round(1000 * statistics.median(times), 2)


def measure(
    model: nn.Module, train_data: MemoryDataset, val_data: MemoryDataset, steps: int, title: str
) -> dict[str, Any]:
    cost = model_complexity(model, (3, SIZE, SIZE), counters=["torch"], repeats=0)
    untrained = validate(model, val_data, NORMALIZATION).scores
    train(model, train_data, steps, title)
    return {
        "parameters": cost.parameters.total,
        "macs": cost.macs["torch"],
        "milliseconds": milliseconds(model),
        "untrained_pooled_dice": round(untrained.pooled_dice, 4),
        "scores": validate(model, val_data, NORMALIZATION).scores.to_dict(),
    }


def results(folder: str, steps: int, wanted: list[str], path: Path) -> dict[str, Any]:
    """Measure what the file does not have yet, and write it after each row."""
    train_set, val_set = training_images(folder), ISIC2017(folder, "val")
    settings = {
        "training": f"ISIC 2017 task 1, official training split, {len(train_set)} images",
        "scores": f"official validation split, {len(val_set)} images",
        "size": SIZE,
        "batch_size": BATCH,
        "steps": steps,
        "seed": SEED,
        "normalization": NORMALIZATION.to_dict(),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }
    data: dict[str, Any] = {"settings": settings, "rows": []}
    if path.is_file():
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["settings"] != settings:
            # Such figures cannot stand in one table, and took long to measure.
            sys.exit(f"{path} holds results of other settings; delete it, or name another --output")
    known = {(row["host"], row["block"]) for row in data["rows"]}
    todo = [row for row in ROWS if row[:2] not in known and (not wanted or row[0] in wanted)]
    if not todo:
        return data
    train_data, val_data = MemoryDataset(train_set, SIZE), MemoryDataset(val_set, SIZE)
    for host, block, module, functions in todo:
        title = f"{host}: {block or 'alone'}"
        measured = measure(network(module, functions), train_data, val_data, steps, title)
        row = {"host": host, "block": block, **measured, "provenance": provenance()}
        data["rows"] = sorted([*data["rows"], row], key=_place)
        write_json(path, data)
    return data


def _place(row: dict[str, Any]) -> int:
    return next(i for i, known in enumerate(ROWS) if known[:2] == (row["host"], row["block"]))


def page(data: dict[str, Any]) -> str:
    """Return the page made from the figures."""
    settings, entries = data["settings"], data["rows"]
    libraries = ", ".join(f"{name} {version}" for name, version in settings["libraries"].items())
    commits = sorted({row["provenance"]["commit"][:8] for row in entries})
    changed = any(row["provenance"]["uncommitted"] for row in entries)
    machines = sorted({row["provenance"]["hardware"] for row in entries})
    return "\n".join(
        [
            "# Blocks in other networks",
            "",
            "Written by `benchmarks/blocks/blocks_in_hosts.py` from `blocks_in_hosts.json`; the "
            "networks are those of `docs/examples`. Every network was trained from random weights "
            f"for {settings['steps']} steps of {settings['batch_size']} images at "
            f"{settings['size']}x{settings['size']}, the same batches in the same order "
            f"({settings['training']}), and scored on the {settings['scores']}: lesion Dice of all "
            "pixels pooled.",
            "",
            "So short a training shows that a network learns and how fast, not where it ends. "
            "There is one seed per row: a difference of a few hundredths may be chance. MACs are "
            "torch's count of convolutions and matrix products for one image; ms is the processor "
            "time of one image on one thread, without gradients, the median of 15 passes.",
            "",
            "| host | block | parameters | M MACs | ms | Dice, untrained | Dice |",
            "|---|---|---|---|---|---|---|",
            *(_row(row) for row in entries),
            "",
            f"{libraries}. Commit {', '.join(f'`{c}`' for c in commits)}"
            f"{' with uncommitted changes' * changed}, {'; '.join(machines)}.",
            "",
        ]
    )


def _row(row: dict[str, Any]) -> str:
    cells = [
        row["host"] if not row["block"] else "",
        row["block"] or "as it is",
        f"{row['parameters']:,}",
        f"{row['macs'] / 1e6:,.1f}",
        f"{row['milliseconds']:.1f}",
        f"{row['untrained_pooled_dice']:.3f}",
        f"{row['scores']['pooled_dice']:.3f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with the ISIC 2017 folders")
    parser.add_argument("--steps", type=int, default=200, help="training steps of each row")
    parser.add_argument("--hosts", nargs="+", default=[], choices=[SMP, MONAI, TIMM, OURS, SEGNET])
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder of the results")
    arguments = parser.parse_args()
    if arguments.steps < 1:
        parser.error(f"--steps must be 1 or more, not {arguments.steps}")
    sys.path[:0] = [str(ROOT / "docs" / "examples"), str(ROOT / "tests")]
    importlib.import_module("torchvision_operators").declare_missing_operators()
    arguments.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    path = arguments.output / "blocks_in_hosts.json"
    data = results(arguments.data, arguments.steps, arguments.hosts, path)
    write_text(path.with_suffix(".md"), page(data))


if __name__ == "__main__":
    main()
