import dataclasses
import math
from typing import Any

from skinseg.data.normalization import Normalization
from skinseg.losses import AUX_WEIGHTS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of a training run; saved with it, and part of the record of its weights.

    The defaults are those of MALUNet and EGE-UNet (BCE + Dice, AdamW, cosine, flips, rotation)
    except that the angle of rotation is drawn afresh for every sample, where the authors' code
    draws one a run, and that a validation split chooses the epoch, not the test split.

    Attributes:
        epochs: Passes over the training images.
        size: Side of the square that images are resized to.
        batch_size: Images a step.
        learning_rate: Of AdamW, at the beginning.
        final_learning_rate: Where the cosine ends.
        weight_decay: Of AdamW.
        small_size: Side of the images in the first ``small_epochs`` epochs; not below half of
            ``size``. Small images cost a quarter, and most is learned from them.
        small_epochs: How many of the epochs see small images.
        flip: Probability of each of the two flips.
        rotate: Probability of a rotation by a random angle.
        zoom: Range of a random zoom.
        white_balance: Strength of a random change of each colour channel's brightness.
        ema_decay: Decay a step of the average of the weights that is validated and kept; None
            keeps the weights themselves.
        dice_per_image: Whether the Dice loss is of each image, as in the papers, or of the batch,
            which weighs large lesions as pooled scores do.
        aux_weights: Weights of the auxiliary outputs, coarsest first.
        normalization: How pixels become the input.
        channels_last: Memory layout. On a CPU it makes MALUNet faster; EGE-UNet gains nothing.
        seed: Of initial weights, order and augmentation.

    Raises:
        ValueError: If a value is out of range.

    Example:
        >>> Recipe(epochs=10).learning_rate_at(0.0)
        0.001
    """

    epochs: int = 100
    size: int = 256
    batch_size: int = 8
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-5
    weight_decay: float = 1e-2
    small_size: int = 128
    small_epochs: int = 0
    flip: float = 0.5
    rotate: float = 0.5
    zoom: tuple[float, float] = (1.0, 1.0)
    white_balance: float = 0.0
    ema_decay: float | None = None
    dice_per_image: bool = True
    aux_weights: tuple[float, ...] = AUX_WEIGHTS
    normalization: Normalization = dataclasses.field(default_factory=Normalization)
    channels_last: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("size", 32), ("batch_size", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be above 0, not {self.learning_rate}")
        if not self.size / 2 <= self.small_size <= self.size and self.small_epochs:
            raise ValueError(
                f"small_size must be from {self.size / 2:g} to {self.size}, not {self.small_size}"
            )
        for name in ("flip", "rotate", "white_balance"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in 0..1, not {getattr(self, name)}")

    def learning_rate_at(self, progress: float) -> float:
        """Return the learning rate after the share ``progress`` (0..1) of all steps."""
        cosine = (1 + math.cos(math.pi * progress)) / 2
        return self.final_learning_rate + cosine * (self.learning_rate - self.final_learning_rate)

    def size_at(self, epoch: int) -> int:
        """Return the side of the images in an epoch, counted from 0."""
        return self.small_size if epoch < self.small_epochs else self.size

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON data."""
        settings = dataclasses.asdict(self)
        settings["aux_weights"] = list(self.aux_weights)
        settings["zoom"] = list(self.zoom)
        settings["normalization"] = self.normalization.to_dict()
        return settings
