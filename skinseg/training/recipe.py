import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from skinseg.arguments import require_whole
from skinseg.data.augmentation import Augmentation
from skinseg.data.normalization import Normalization
from skinseg.losses import AUX_WEIGHTS, LOSSES
from skinseg.models.input_check import MIN_SIZE

KEEP = ("best", "lowest_loss", "last")
OPTIMIZERS = ("adamw", "muon")
PRECISIONS = ("float32", "bfloat16")
# Those of all epochs are numbers of 64 bits: the trainer multiplies it.
_HIGHEST_SEED = 2**44
# Settings that an earlier version named otherwise.
_RENAMED = {"small_share": "small_fraction"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of a training run; saved with it, and part of the record of its weights.

    Attributes:
        epochs: Passes over the training images.
        size: Side of the square that images are resized to.
        batch_size: Images per step, over all processes. Where one image is left at the end of an
            epoch, the last step has one more.
        accumulate: Parts that a batch is handled in, one after the other, to save memory. The
            step is that of the whole batch, save that a Dice loss of the batch and BatchNorm see
            a part.
        optimizer: ``"adamw"``, or ``"muon"``: Muon for kernels and other matrices, and AdamW for
            the rest, with the same learning rate and weight decay.
        learning_rate: Highest learning rate.
        final_learning_rate: Where the cosine ends; no higher than the learning rate.
        weight_decay: Weight decay.
        warmup: Fraction of all steps in which the learning rate rises from 0.
        cosine_epochs: Epochs in which the cosine falls; after as many it has risen again, and so
            on. None lets it fall once, over the whole run.
        loss: ``"bce_dice"`` or ``"ce_iou"``; see :func:`skinseg.losses.segmentation_loss`.
        dice_per_image: Whether Dice (or IoU) is of each image, as in the papers, or of the batch,
            which weighs large lesions as pooled scores do.
        aux_weights: Weights of the auxiliary outputs, coarsest first; the last ones for a network
            with fewer.
        augmentation: Random changes of the training images.
        normalization: How pixels become the input.
        small_scale: Factor of ``size`` in the first epochs, 0.5..1. Small images cost less, and
            most is learned from them.
        small_fraction: Fraction of the epochs that see small images.
        soft_weight: Fraction of a teacher's soft masks in the target, 0..1.
        ema_decay: Decay per step of the average of the weights that is validated and kept; None
            keeps the weights themselves.
        keep: Which weights remain: of the epoch with the ``"best"`` pooled lesion IoU or the
            ``"lowest_loss"`` on the validation images, or of the ``"last"`` epoch.
        select_on_test: The test images choose the epoch, as in the authors' code. Scores on them
            are then too good; it is here to measure by how much.
        early_stop: Epochs without a better validation score after which the run ends: a lower loss
            with ``"lowest_loss"``, otherwise a higher pooled IoU. None never ends it early.
        precision: ``"float32"`` or ``"bfloat16"``, of the network's arithmetic.
        channels_last: Memory layout of maps and weights. None is channels last on a CPU, where it
            is faster, and on a CUDA GPU for networks of two million parameters or more.
        seed: Random seed for order and augmentation.

    Raises:
        ValueError: If a value is out of range.
        TypeError: If a value that is counted is no whole number.

    Example:
        >>> Recipe(epochs=10).learning_rate_at(0.0)
        0.001
    """

    epochs: int = 100
    size: int = 256
    batch_size: int = 8
    accumulate: int = 1
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-5
    weight_decay: float = 1e-2
    warmup: float = 0.0
    cosine_epochs: int | None = None
    loss: str = "bce_dice"
    dice_per_image: bool = True
    aux_weights: tuple[float, ...] = AUX_WEIGHTS
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    normalization: Normalization = dataclasses.field(default_factory=Normalization)
    small_scale: float = 1.0
    small_fraction: float = 0.0
    soft_weight: float = 0.0
    ema_decay: float | None = None
    keep: str = "best"
    select_on_test: bool = False
    early_stop: int | None = None
    precision: str = "float32"
    channels_last: bool | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"epochs": 1, "size": MIN_SIZE, "batch_size": 1, "accumulate": 1, "seed": 0}
        for name, low in least.items():
            # JSON has no numbers of numpy.
            object.__setattr__(self, name, require_whole(name, getattr(self, name), low))
        for name in ("cosine_epochs", "early_stop"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.seed > _HIGHEST_SEED:
            raise ValueError(f"seed must be at most {_HIGHEST_SEED}, not {self.seed}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be above 0 and finite, not {self.learning_rate}")
        for name in ("final_learning_rate", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        if not 0.5 <= self.small_scale <= 1:
            raise ValueError(f"small_scale must be in 0.5..1, not {self.small_scale}")
        for name in ("warmup", "small_fraction", "soft_weight", "ema_decay"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in 0..1, not {getattr(self, name)}")
        choices = {
            "optimizer": OPTIMIZERS,
            "loss": LOSSES,
            "keep": KEEP,
            "precision": PRECISIONS,
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                listed = ", ".join(allowed)
                raise ValueError(f"{name} must be one of {listed}, not {getattr(self, name)!r}")

    def learning_rate_at(self, progress: float) -> float:
        """Return the learning rate after the fraction ``progress`` (0..1) of all steps."""
        if progress < self.warmup:
            return self.learning_rate * progress / self.warmup
        if self.cosine_epochs is None:
            turn = (progress - self.warmup) / (1 - self.warmup) if self.warmup < 1 else 1.0
        else:
            turn = (progress - self.warmup) * self.epochs / self.cosine_epochs
        cosine = (1 + math.cos(math.pi * turn)) / 2
        final = min(self.final_learning_rate, self.learning_rate)
        return final + cosine * (self.learning_rate - final)

    def size_at(self, epoch: int) -> int:
        """Return the side of the images in an epoch, counted from 0."""
        if epoch >= self.small_fraction * self.epochs:
            return self.size
        return max(MIN_SIZE, round(self.size * self.small_scale))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON data."""
        settings = dataclasses.asdict(self)
        # Runs that were begun before there was a choice go on: their settings lack the key.
        if self.optimizer == "adamw":
            del settings["optimizer"]
        settings["aux_weights"] = list(self.aux_weights)
        settings["normalization"] = self.normalization.to_dict()
        for name in ("zoom", "gamma"):
            settings["augmentation"][name] = list(getattr(self.augmentation, name))
        return settings

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "Recipe":
        """Build from JSON data, also of earlier versions; unknown keys raise TypeError."""
        values = current_names(dict(settings))
        augmentation = dict(values.pop("augmentation"))
        for name in ("zoom", "gamma"):
            augmentation[name] = tuple(augmentation[name])
        values["augmentation"] = Augmentation(**augmentation)
        values["normalization"] = Normalization.from_dict(values["normalization"])
        values["aux_weights"] = tuple(values["aux_weights"])
        return cls(**values)


def current_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a recipe under the names that this version has for them."""
    return {_RENAMED.get(name, name): value for name, value in settings.items()}
