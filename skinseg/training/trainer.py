import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import torch
from torch import nn

from skinseg import hub
from skinseg.allocator import keep_freed_memory
from skinseg.complexity import count_parameters
from skinseg.data.datasets import SegmentationDataset
from skinseg.folder_lock import folder_lock
from skinseg.formatting import counted
from skinseg.models.base import SegmentationModel
from skinseg.pretrained import PretrainedCfg
from skinseg.progress import progress_bar
from skinseg.surgery import recipe_of
from skinseg.surgery.recipe import steps_of
from skinseg.training.batches import part_lengths, piece_lengths
from skinseg.training.callbacks import Callback
from skinseg.training.distributed import Distributed
from skinseg.training.epoch_choice import best_epoch, decided_by_validation, kept_epoch
from skinseg.training.layout import memory_format
from skinseg.training.memory_dataset import MemoryDataset
from skinseg.training.recipe import Recipe
from skinseg.training.run_folder import RunFolder
from skinseg.training.seeding import seeded
from skinseg.training.step import MakeOptimizer, MicroBatch, Step
from skinseg.training.validate import validate
from skinseg.unwrap import unwrapped

# Batches of an epoch that BatchNorm's statistics of averaged weights are measured on.
STATISTICS_BATCHES = 32
# A GPU takes as long for a few images as for many: small networks wait for launches of kernels.
VALIDATION_BATCH = {"cuda": 50}


def train(
    model: nn.Module,
    train_set: SegmentationDataset,
    val_set: SegmentationDataset | None,
    output: str | os.PathLike[str],
    recipe: Recipe | None = None,
    *,
    test_set: SegmentationDataset | None = None,
    soft_masks: Mapping[str, torch.Tensor] | None = None,
    optimizer: MakeOptimizer | None = None,
    resume: bool = False,
    device: str | torch.device = "cpu",
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> list[dict[str, Any]]:
    """Train a lesion segmentation network.

    Everything random comes from the recipe's seed and the number of the epoch, so that a run that
    was killed and resumed gives the weights of one that was not. Started by ``torchrun``, all
    processes train the network of the first one together, each on its part of every batch; the
    first one writes.

    Args:
        model: Network with one output (lesion) or two (skin and lesion); at the end it holds the
            weights that were kept. Any module will do that maps (B, C, H, W) to logits
            (B, 1 or 2, H, W).
        train_set: Images to learn from.
        val_set: Images that choose the epoch, as the recipe's ``keep`` says. They must not be
            those that you report scores on. None if the last epoch is kept.
        output: Folder of the run. What was kept is its ``model.safetensors``; of a network that
            :func:`skinseg.create_model` can build again, ``create_model("local-dir:<output>")``
            loads it.
        recipe: Settings; the defaults of :class:`Recipe` if None.
        test_set: Images that choose the epoch in place of ``val_set`` where the recipe repeats
            the authors' ``select_on_test``; of no use otherwise.
        soft_masks: A teacher's lesion probabilities times 255, uint8 (H, W), by image name; with
            the recipe's ``soft_weight``.
        optimizer: Makes an optimizer of the network, such as
            ``lambda net: torch.optim.NAdam(net.parameters(), weight_decay=0.01)``; the recipe's
            if None. The recipe's schedule sets the learning rate of every group, times the group's
            ``"lr_scale"`` where it has one, as in timm.
        resume: Go on with the run in ``output`` if there is one.
        device: Where to train.
        progress: Show progress bars.
        callbacks: Told when the run begins, when an epoch is on disk, and when the run ends or
            fails. Whatever they are, ``log.json`` and ``log.csv`` have the figures of each epoch.

    Returns:
        The log: a dictionary per epoch with loss, learning rate, seconds, images per second, and,
        with validation images, validation scores.

    Raises:
        ValueError: If the network has more than two outputs, a data set is empty or missing, or
            images are both for training and for validation.
        FileExistsError: If ``output`` holds a run and ``resume`` is not set, or another process
            trains there.
        FloatingPointError: If the loss is no longer a number.
    """
    recipe = recipe or Recipe()
    chooses = test_set if recipe.select_on_test else val_set
    _refuse_unusable(model, recipe, train_set, chooses)
    trainer = Trainer(model, recipe, device, optimizer)
    folder = RunFolder(output)
    is_main = trainer.processes.is_main
    shown = progress and is_main

    def load(dataset: SegmentationDataset, **soft: Any) -> MemoryDataset:
        return MemoryDataset(dataset, recipe.size, device=device, progress=shown, **soft)

    with folder_lock(folder.path) if is_main else nullcontext():
        state = folder.start(trainer.settings, resume=resume, is_main=is_main)
        data = load(train_set, soft_masks=soft_masks, soft_weight=recipe.soft_weight)
        val_data = load(chooses) if chooses is not None else None
        told = callbacks if is_main else ()
        with _told(told, folder.path, trainer.settings, state["log"] if state else []):
            log = trainer.run(data, val_data, folder, state, progress=shown, callbacks=told)
    trainer.processes.barrier()
    # As a network is that loads them: another layout rounds otherwise.
    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    unwrapped(model).load_state_dict(folder.kept_weights())
    return log


class Trainer:
    """A network, its recipe, and the loop over epochs."""

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        device: str | torch.device,
        optimizer: MakeOptimizer | None = None,
    ) -> None:
        self.recipe = recipe
        self.device = torch.device(device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.processes = Distributed(self.device)
        self.layout = memory_format(model, self.device, recipe.channels_last)
        self.model: nn.Module = model.to(  # type: ignore[call-overload]  # torch's types lack memory_format
            self.device, memory_format=self.layout
        ).train()
        # Whoever made the network may have made another one in each process.
        self.processes.broadcast_module(self.model)
        network = unwrapped(model)  # What a record builds again has no wrapper.
        self.loadable = _loadable(network)
        # Before anything is learned: no later look at the network could tell.
        self.begins_with = hub.weights_held(self.loadable) if self.loadable else None
        self.training_data: dict[str, Any] = {}
        self.step = Step(self.model, recipe, self.processes, optimizer)
        # What settings and records say where the optimizer is not the recipe's.
        self.named_optimizer = (
            {"optimizer": type(self.step.optimizer).__name__} if optimizer else {}
        )
        self.settings = {
            "model": _model_settings(network),
            "recipe": recipe.to_dict(),
            **self.named_optimizer,
        }

    def run(
        self,
        data: MemoryDataset,
        val_data: MemoryDataset | None,
        folder: RunFolder,
        state: dict[str, Any] | None,
        *,
        progress: bool,
        callbacks: Sequence[Callback],
    ) -> list[dict[str, Any]]:
        """Train epoch after epoch; see :func:`train`."""
        log: list[dict[str, Any]] = []
        if state:
            self.step.load_state_dict(state["step"])
            log = state["log"]
            # An earlier version did not note it; the network that it goes on with tells, then.
            self.begins_with = state.get("begins_with", self.begins_with)
        self.training_data = {
            "begins_with": self.begins_with,
            "images": len(data),
            "epoch_chosen_by": _chosen_by(self.recipe, val_data),
        }
        steps = self._steps_per_epoch(data)
        with progress_bar(shown=progress) as bar:
            total, done = steps * self.recipe.epochs, steps * len(log)
            task = bar.add_task("training", total=total, completed=done)
            while len(log) < self.recipe.epochs and not self._ends_early(log):
                with self._seeded(len(log)):
                    entry = self._epoch(data, len(log), lambda: bar.advance(task))
                with self._seeded(len(log)):
                    self.step.recalibrate_batchnorm(self._inputs(data, len(log)))
                note = f"epoch {len(log) + 1}, loss {entry['loss']:.4f}"
                if val_data is not None:
                    entry["validation"] = self._validation(val_data)
                    note += f", IoU {entry['validation']['pooled_iou']:.4f}"
                bar.update(task, description=note)
                log.append(entry)
                if self.processes.is_main:
                    self._save(folder, log)
                for callback in callbacks:
                    callback.on_epoch(entry)
        return log

    def _steps_per_epoch(self, data: MemoryDataset) -> int:
        return len(piece_lengths(len(data), self.recipe.batch_size))

    def _ends_early(self, log: list[dict[str, Any]]) -> bool:
        return self.recipe.early_stop is not None and (
            len(log) - best_epoch(log, self.recipe.keep) >= self.recipe.early_stop
        )

    def _epoch(
        self, data: MemoryDataset, epoch: int, advance: Callable[[], None]
    ) -> dict[str, Any]:
        """Learn from every image once."""
        started = time.perf_counter()
        losses = []
        steps = self._steps_per_epoch(data)
        self.model.train()
        for number, batch in enumerate(self._batches(data, epoch)):
            rate = self.recipe.learning_rate_at((epoch + number / steps) / self.recipe.epochs)
            losses.append(self.step(batch, rate))
            advance()
        loss = torch.stack(losses).mean().item()
        if loss != loss:
            raise FloatingPointError(
                f"the loss is no longer a number in epoch {epoch + 1}; lower the learning rate "
                f"({self.recipe.learning_rate:g}) or use precision float32"
            )
        seconds = time.perf_counter() - started
        return {
            "epoch": epoch + 1,
            "loss": loss,
            "learning_rate": rate,
            "seconds": round(seconds, 2),
            "images_per_second": round(len(data) / seconds, 1),
        }

    def _validation(self, data: MemoryDataset) -> dict[str, Any]:
        """Scores and loss of the weights that are kept: those of the first process, in all."""
        found = validate(
            self.step.kept,
            data,
            self.recipe.normalization,
            batch_size=VALIDATION_BATCH.get(self.device.type, 8),
        )
        # Each process has statistics of BatchNorm of its own, hence scores of its own; all have to
        # end with the same epoch.
        return self.processes.from_main(found.to_dict())

    def _seed(self, epoch: int) -> int:
        return self.recipe.seed * 1_000_003 + epoch

    def _seeded(self, epoch: int) -> AbstractContextManager[None]:
        """What layers draw is that of the epoch, and of this process's part of the batches."""
        return seeded(self._seed(epoch) + self.processes.rank, self.device)

    def _inputs(self, data: MemoryDataset, epoch: int) -> Iterator[torch.Tensor]:
        """The first inputs of an epoch, as it learned from them."""
        for parts in islice(self._batches(data, epoch), STATISTICS_BATCHES):
            yield from (part.x for part in parts if len(part.x))

    def _batches(self, data: MemoryDataset, epoch: int) -> Iterator[Iterator[MicroBatch]]:
        generator = torch.Generator().manual_seed(self._seed(epoch))
        order = torch.randperm(len(data), generator=generator)
        for rows in torch.split(order, piece_lengths(len(order), self.recipe.batch_size)):
            yield self._parts(data, rows, epoch, generator)

    def _parts(
        self, data: MemoryDataset, rows: torch.Tensor, epoch: int, generator: torch.Generator
    ) -> Iterator[MicroBatch]:
        """This process's images of each part of a batch; the chance is that of the whole batch."""
        _, channels, height, width = data.images.shape
        changes = self.recipe.augmentation.draw(
            len(rows), generator, channels=channels, aspect=width / height
        )
        size = (self.recipe.size_at(epoch),) * 2
        soft = self.recipe.soft_weight > 0
        lengths = part_lengths(len(rows), self.recipe.batch_size, self.recipe.accumulate)
        for length, stop in zip(lengths, accumulate(lengths), strict=True):
            part = slice(stop - length, stop)
            own = self.processes.shard(part)
            chosen = rows[own].to(data.device, non_blocking=True)
            images, target = changes.part(own).apply(
                data.images[chosen], data.masks[chosen], size, soft=soft
            )
            x = self.recipe.normalization(images).contiguous(memory_format=self.layout)
            yield MicroBatch(x, target, length / len(rows))

    def _save(self, folder: RunFolder, log: list[dict[str, Any]]) -> None:
        if kept_epoch(log, self.recipe.keep) == len(log):
            kept = unwrapped(self.step.kept).state_dict()
            folder.save_kept(kept, self._record(log[-1]))
        state = {"settings": self.settings, "step": self.step.state_dict(), "log": log}
        folder.save({**state, "begins_with": self.begins_with})

    def _scored_images(self) -> str:
        kind = "test" if self.recipe.select_on_test else "validation"
        decided = decided_by_validation(self.recipe.to_dict())
        return f"{kind} images of the run" + (f", which {decided}" if decided else "")

    def _record(self, entry: dict[str, Any]) -> PretrainedCfg | None:
        """Return the record of the weights after an epoch, if it can build the network again."""
        network = self.loadable
        origin = None if network is None else hub.origin_of(network)
        if network is None or origin is None:
            return None
        metrics = []
        if "validation" in entry:
            scores = {name: value for name, value in entry["validation"].items() if name != "loss"}
            metrics = [{"data": self._scored_images(), **scores}]
        return PretrainedCfg(
            architecture=origin.architecture,
            model_args=origin.model_args,
            surgery=recipe_of(network),
            num_params=count_parameters(network).total,
            input_size=(origin.in_chans, self.recipe.size, self.recipe.size),
            normalization=self.recipe.normalization.to_dict(),
            training_data=self.training_data,
            recipe={**self.recipe.to_dict(), **self.named_optimizer, "epoch": entry["epoch"]},
            metrics=metrics,
        )


@contextmanager
def _told(
    callbacks: Sequence[Callback],
    folder: Path,
    settings: dict[str, Any],
    log: list[dict[str, Any]],
) -> Iterator[None]:
    """Tell callbacks that a run begins and, whatever happens, that it ends."""
    with ExitStack() as stack:
        for callback in callbacks:
            stack.callback(callback.on_end)
            callback.on_start(folder, settings, log)
        yield


def _chosen_by(recipe: Recipe, chooses: MemoryDataset | None) -> str:
    """Say in words what chose the epoch whose weights are kept."""
    kind = "test" if recipe.select_on_test else "validation"
    images = "no image" if chooses is None else counted(len(chooses), f"{kind} image")
    if recipe.keep != "last":
        return images
    decided = decided_by_validation(recipe.to_dict())
    return "nothing; the last one is kept" + (f", and {images} {decided}" if decided else "")


def _loadable(model: nn.Module) -> nn.Module | None:
    """Return the network if a record could build it again and load its weights, else None."""
    return None if hub.rebuilt_differences(model) else model


def _model_settings(model: nn.Module) -> dict[str, Any]:
    """Return what the run is resumed with: the config, or the class of a module without one."""
    if isinstance(model, SegmentationModel):
        settings = model.config
    else:
        settings = {"class": f"{type(model).__module__}.{type(model).__qualname__}"}
    blocks = [f"{step.block}: {' + '.join(step.place)}" for step in steps_of(model)]
    return {**settings, "surgery": blocks} if blocks else settings


def _refuse_unusable(
    model: nn.Module,
    recipe: Recipe,
    train_set: SegmentationDataset,
    chooses: SegmentationDataset | None,
) -> None:
    classes = getattr(unwrapped(model), "num_classes", 1)
    if isinstance(classes, int) and classes > 2:
        raise ValueError(
            f"the trainer learns lesion against skin, one output or two; this network has "
            f"{classes}: create it with num_classes=1, or train several classes in a loop of your "
            "own with skinseg.losses"
        )
    if chooses is None:
        name = "test_set" if recipe.select_on_test else "val_set"
        if recipe.keep != "last" or recipe.select_on_test:
            raise ValueError(
                f'the recipe keeps the epoch that is "{recipe.keep}" on {name}, and there is '
                f'none; give {name}, or keep="last"'
            )
        if recipe.early_stop is not None:
            raise ValueError(
                f"early_stop is {recipe.early_stop}, and there is no {name} to tell when no epoch "
                f"gets better; give {name}, or early_stop=None"
            )
        return
    shared = set(train_set.ids) & set(chooses.ids)
    if shared:
        raise ValueError(
            f"{counted(len(shared), 'image')} for training and for validation at once, "
            f"{min(shared)} among them; the validation images must be others"
        )
