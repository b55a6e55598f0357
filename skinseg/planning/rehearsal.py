"""Two steps of a planned run, to see that it works and how long it will take."""

import dataclasses
import tempfile
import time

import torch
from torch import nn

from skinseg.data import SegmentationDataset
from skinseg.planning.plan import TrainingPlan
from skinseg.training.trainer import train

_STEPS, _VALIDATION_IMAGES = 2, 2
# What validation of an image costs beside learning from it: a forward pass, and no backward one.
_VALIDATION_COST = 1 / 3


@dataclasses.dataclass(frozen=True)
class Rehearsal:
    """What two steps showed.

    Attributes:
        seconds_per_epoch: Estimate for the whole run's images, validation included.
        seconds: Estimate for all epochs.
    """

    seconds_per_epoch: float
    seconds: float


def rehearse(
    plan: TrainingPlan,
    train_set: SegmentationDataset,
    val_set: SegmentationDataset,
    *,
    device: str | torch.device = "cpu",
) -> Rehearsal:
    """Train two steps and validate on two images in a temporary folder.

    Args:
        plan: What to train with.
        train_set: All training images; as many are used as two steps need.
        val_set: All validation images.
        device: Where to train.

    Raises:
        Exception: Whatever would stop the run at its beginning.
    """
    recipe = dataclasses.replace(plan.recipe, epochs=1, small_fraction=0.0, early_stop=None)
    few = train_set.subset(train_set.ids[: _STEPS * recipe.batch_size])
    some = val_set.subset(val_set.ids[:_VALIDATION_IMAGES])
    network = plan.network()
    calls = _clocked(network)
    with tempfile.TemporaryDirectory() as folder:
        train(network, few, some, folder, recipe, device=device, progress=False)
    per_image = _seconds_per_image(calls)
    passes = sum(
        (plan.recipe.size_at(epoch) / plan.recipe.size) ** 2 for epoch in range(plan.recipe.epochs)
    )
    learning = per_image * len(train_set)
    validating = per_image * _VALIDATION_COST * len(val_set)
    return Rehearsal(
        seconds_per_epoch=learning + validating,
        seconds=learning * passes + validating * plan.recipe.epochs,
    )


def _clocked(network: nn.Module) -> list[tuple[float, int, bool]]:
    """Note when a network is called, with how many images, and whether to learn from them."""
    calls: list[tuple[float, int, bool]] = []

    def note(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if inputs[0].is_cuda:
            torch.cuda.synchronize(inputs[0].device)
        calls.append((time.perf_counter(), len(inputs[0]), module.training))

    # A closure, as the trainer's average of the weights copies the network with its hooks.
    network.register_forward_pre_hook(note)
    return calls


def _seconds_per_image(calls: list[tuple[float, int, bool]]) -> float:
    """Seconds that the last step took per image: from its call to that of the validation."""
    learning = [call for call in calls if call[2]]
    last = learning[len(learning) // 2 :]
    end = next(started for started, _, learns in calls if not learns)
    return (end - last[0][0]) / sum(images for _, images, _ in last)
