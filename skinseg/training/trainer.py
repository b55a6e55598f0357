import os
import time
from collections.abc import Iterator
from typing import Any

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from skinseg.data.datasets import SegmentationDataset
from skinseg.data.transforms import RandomGeometry, RandomWhiteBalance
from skinseg.losses import deep_supervision_loss
from skinseg.models.base import SegmentationModel
from skinseg.pretrained import PretrainedCfg
from skinseg.training.memory_dataset import MemoryDataset
from skinseg.training.recipe import Recipe
from skinseg.training.run_folder import RunFolder
from skinseg.training.validate import validate


def train(
    model: SegmentationModel,
    train_set: SegmentationDataset,
    val_set: SegmentationDataset,
    output: str | os.PathLike[str],
    recipe: Recipe | None = None,
    *,
    resume: bool = False,
    device: str | torch.device = "cpu",
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Train a lesion segmentation network.

    Everything random comes from the recipe's seed and the number of the epoch, so that a run that
    was stopped and resumed gives the weights of one that was not.

    Args:
        model: Network with ``num_classes=1``; it holds the best epoch's weights at the end.
        train_set: Images to learn from.
        val_set: Images that choose the best epoch, by pooled lesion IoU. They must not be those
            that you report scores on.
        output: Folder of the run; afterwards ``create_model("local-dir:<output>")`` loads the
            best epoch.
        recipe: Settings; the defaults of :class:`Recipe` if None.
        resume: Go on with the run in ``output`` if there is one.
        device: Where to train.
        progress: Show progress bars.

    Returns:
        The log: a dictionary an epoch with loss, learning rate, seconds and validation scores.

    Raises:
        ValueError: If the network has more than one output or was not made by ``create_model``,
            a data set is empty, or both share images.
        FileExistsError: If ``output`` holds a run and ``resume`` is not set.
    """
    trainer = Trainer(model, recipe or Recipe(), device)
    return trainer.run(train_set, val_set, RunFolder(output), resume=resume, progress=progress)


class Trainer:
    """A network, its optimiser, and the loop over epochs."""

    def __init__(
        self, model: SegmentationModel, recipe: Recipe, device: str | torch.device
    ) -> None:
        if model.num_classes != 1:
            raise ValueError(
                f"the trainer learns lesion against skin, one output; this network has "
                f"{model.num_classes}: create it with num_classes=1"
            )
        if not model.architecture:
            raise ValueError(
                f"this {type(model).__name__} has no registered name, under which its weights "
                "could be loaded again; make it with skinseg.create_model"
            )
        self.recipe = recipe
        layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.model = model.to(device, memory_format=layout)
        self.layout = layout
        self.device = torch.device(device)
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        # What is validated and kept: an average of the weights over time, or the weights.
        self.kept: nn.Module = self.model
        if recipe.ema_decay is not None:
            average = get_ema_multi_avg_fn(recipe.ema_decay)
            self.average = AveragedModel(self.model, multi_avg_fn=average, use_buffers=True)
            self.kept = self.average.module
        self.geometry = RandomGeometry(flip=recipe.flip, rotate=recipe.rotate, zoom=recipe.zoom)
        self.white_balance = RandomWhiteBalance(strength=recipe.white_balance)

    def run(
        self,
        train_set: SegmentationDataset,
        val_set: SegmentationDataset,
        folder: RunFolder,
        *,
        resume: bool,
        progress: bool,
    ) -> list[dict[str, Any]]:
        """Train epoch after epoch; see :func:`train`."""
        _refuse_overlap(train_set, val_set)
        settings = {"model": self.model.config, **self.recipe.to_dict()}
        state = folder.start(settings, resume=resume)
        log = self._restore(state) if state else []
        train_data = MemoryDataset(train_set, self.recipe.size, progress=progress)
        val_data = MemoryDataset(val_set, self.recipe.size, progress=progress)
        with _progress_bar(progress) as bar:
            steps = self._steps_per_epoch(train_data)
            total, done = steps * self.recipe.epochs, steps * len(log)
            task = bar.add_task("training", total=total, completed=done)
            while len(log) < self.recipe.epochs:
                entry = self._epoch(train_data, len(log), lambda: bar.advance(task))
                scores = validate(self.kept, val_data, self.recipe.normalization)
                entry["validation"] = scores.to_dict()
                best = max((e["validation"]["pooled_iou"] for e in log), default=-1.0)
                log.append(entry)
                bar.update(task, description=f"epoch {len(log)}, IoU {scores.pooled_iou:.4f}")
                if scores.pooled_iou > best:
                    folder.save_best(self.kept.state_dict(), self._record(settings, entry))
                folder.save(self._state(settings, log))
        self.model.load_state_dict(folder.best_weights())
        return log

    def _steps_per_epoch(self, data: MemoryDataset) -> int:
        return -(-len(data) // self.recipe.batch_size)

    def _epoch(self, data: MemoryDataset, epoch: int, advance: Any) -> dict[str, Any]:
        """Learn from every image once."""
        started = time.perf_counter()
        losses = []
        steps = self._steps_per_epoch(data)
        self.model.train()
        for step, (images, masks) in enumerate(self._batches(data, epoch)):
            rate = self.recipe.learning_rate_at((epoch + step / steps) / self.recipe.epochs)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            losses.append(self._learn(images, masks))
            advance()
        return {
            "epoch": epoch + 1,
            "loss": torch.stack(losses).mean().item(),
            "learning_rate": rate,
            "seconds": round(time.perf_counter() - started, 2),
        }

    def _batches(
        self, data: MemoryDataset, epoch: int
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + epoch)
        size = (self.recipe.size_at(epoch),) * 2
        order = torch.randperm(len(data), generator=generator).tolist()
        for images, masks in data.batches(order, self.recipe.batch_size):
            images, masks = images.to(self.device), masks.to(self.device)
            images, masks = self.geometry(images, masks, generator, size)
            yield self.white_balance(images, generator), masks

    def _learn(self, images: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        x = self.recipe.normalization(images).contiguous(memory_format=self.layout)
        logits, aux = self.model(x, return_aux=True)
        loss = deep_supervision_loss(
            logits,
            aux,
            masks.float(),
            self.recipe.aux_weights,
            per_image=self.recipe.dice_per_image,
        )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        if self.kept is not self.model:
            self.average.update_parameters(self.model)
        return loss.detach()

    def _record(self, settings: dict[str, Any], entry: dict[str, Any]) -> PretrainedCfg:
        """Record of the weights after an epoch."""
        return PretrainedCfg(
            architecture=self.model.architecture,
            model_args=self.model.config,
            num_params=sum(p.numel() for p in self.model.parameters()),
            input_size=(self.model.in_chans, self.recipe.size, self.recipe.size),
            normalization=self.recipe.normalization.to_dict(),
            recipe={**settings, "epoch": entry["epoch"]},
            metrics=[{"data": "validation images of the run", **entry["validation"]}],
        )

    def _state(self, settings: dict[str, Any], log: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "settings": settings,
            "model_state_dict": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.kept is not self.model else None,
            "log": log,
        }

    def _restore(self, state: dict[str, Any]) -> list[dict[str, Any]]:
        self.model.load_state_dict(state["model_state_dict"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.kept is not self.model:
            self.average.load_state_dict(state["average"])
        return state["log"]


def _refuse_overlap(train_set: SegmentationDataset, val_set: SegmentationDataset) -> None:
    shared = set(train_set.ids) & set(val_set.ids)
    if shared:
        raise ValueError(
            f"{len(shared)} images are both for training and for validation, {min(shared)} among "
            "them; the validation images must be others"
        )


def _progress_bar(shown: bool) -> Progress:
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    columns += [TimeElapsedColumn(), TimeRemainingColumn()]
    return Progress(*columns, console=Console(stderr=True), disable=not shown)
