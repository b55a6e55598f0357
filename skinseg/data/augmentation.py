"""Random changes of training images and their masks, drawn first and applied in batches."""

import dataclasses
import math
from functools import partial
from typing import NamedTuple

import torch
from torch.nn import functional as F

# Luma of an RGB pixel (ITU-R BT.601), between which and the color the saturation moves.
_LUMA = (0.299, 0.587, 0.114)


class AugmentationParams(NamedTuple):
    """What happens to each sample of a batch; see :meth:`Augmentation.draw`.

    Attributes:
        matrices: (B, 2, 3), affine, in the units of ``affine_grid``, where sides are 2 long.
        gains: (B, C, 1, 1), factor of each color channel.
        gamma: (B, 1, 1, 1), exponent of the brightness.
        saturation: (B, 1, 1, 1), 0 is gray, 1 leaves colors as they are.
    """

    matrices: torch.Tensor
    gains: torch.Tensor
    gamma: torch.Tensor
    saturation: torch.Tensor

    def part(self, rows: slice) -> "AugmentationParams":
        """Return the changes of some samples."""
        return AugmentationParams(*(values[rows] for values in self))

    def apply(
        self,
        images: torch.Tensor,
        masks: torch.Tensor,
        size: tuple[int, int] | None = None,
        *,
        soft: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Change a batch, on its device.

        Args:
            images: (B, C, H, W), values 0..255.
            masks: (B, 1, H, W), values 0..255, fraction of lesion.
            size: Height and width of the result; by default those of the images. It should not be
                below half of them, for every pixel of the source to be seen.
            soft: Move masks bilinearly, so that they may be between lesion and skin; otherwise
                each pixel takes the nearest one's value, 1 from 128 on.

        Returns:
            Images (B, C, h, w) as float32, values 0..255, and masks (B, 1, h, w) as float32, 0..1.
        """
        shape = [len(images), 1, *(size or images.shape[-2:])]
        if not len(images):
            return images.new_zeros(0, images.shape[1], *shape[2:]).float(), masks.new_zeros(
                shape
            ).float()
        # Six numbers per image travel to a GPU, not a grid of pixels: that copy is waited for.
        matrices = self.matrices.to(images.device, non_blocking=True)
        grid = F.affine_grid(matrices, shape, align_corners=False)
        move = partial(F.grid_sample, grid=grid, padding_mode="reflection", align_corners=False)
        moved = move(images.float(), mode="bilinear")
        moved_masks = move(masks.float(), mode="bilinear" if soft else "nearest") / 255
        return self.recolor(moved), moved_masks if soft else (moved_masks > 0.5).float()

    def recolor(self, images: torch.Tensor) -> torch.Tensor:
        """Change color and light only, of float images (B, C, H, W)."""
        # What changes nothing is left out; looked at on the CPU, where waiting costs nothing.
        gains, gamma, saturation = (
            None if bool((values == 1).all()) else values.to(images.device, non_blocking=True)
            for values in (self.gains, self.gamma, self.saturation)
        )
        if gains is not None:
            images = images * gains
        if saturation is not None and images.shape[1] == 3:
            red, green, blue = (weight * images[:, i : i + 1] for i, weight in enumerate(_LUMA))
            images = torch.lerp(red + green + blue, images, saturation)
        if gamma is not None:
            images = 255 * (images / 255).clamp(0, 1) ** gamma
        return images


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Flips, rotation, zoom, color and light, each sample its own; reflection fills the frame.

    Attributes:
        flip: Probability of each of the two flips.
        rotate: Probability of a rotation by any angle.
        rotate_by: Angle in degrees that every rotation has; None draws it afresh for each sample.
        zoom: Range of the factor by which lesions grow, drawn evenly on a logarithmic scale.
        white_balance: Each color channel is multiplied by a factor of its own, in
            ``1 - white_balance .. 1 + white_balance``.
        saturation: As ``white_balance``, for the distance of colors from gray.
        gamma: Range of the exponent of the brightness, even on a logarithmic scale; 1 changes
            nothing, less is brighter.

    Raises:
        ValueError: If a value is out of range.

    Example:
        >>> images = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
        >>> masks = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
        >>> changes = Augmentation(rotate=1.0).draw(2, torch.Generator().manual_seed(0))
        >>> images, masks = changes.apply(images, masks)
        >>> images.shape, images.dtype, masks.dtype
        (torch.Size([2, 3, 32, 32]), torch.float32, torch.float32)
    """

    flip: float = 0.5
    rotate: float = 0.5
    rotate_by: float | None = None
    zoom: tuple[float, float] = (1.0, 1.0)
    white_balance: float = 0.0
    saturation: float = 0.0
    gamma: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        for name in ("flip", "rotate", "white_balance", "saturation"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in 0..1, not {getattr(self, name)}")
        for name in ("zoom", "gamma"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} must be a range above 0, low first, not {(low, high)}")

    def draw(
        self,
        count: int,
        generator: torch.Generator,
        *,
        channels: int = 3,
        aspect: float = 1.0,
    ) -> AugmentationParams:
        """Draw the changes of ``count`` samples.

        Args:
            count: How many samples.
            generator: Source of chance, on the CPU.
            channels: Channels of the images.
            aspect: Width of the images divided by their height.

        Returns:
            Changes on the CPU; they always take the same amount of chance from the generator.
        """
        chance = torch.rand(7 + channels, count, generator=generator)
        angle = 2 * math.pi * chance[0]
        if self.rotate_by is not None:
            angle = torch.full_like(angle, math.radians(self.rotate_by))
        angle = angle * (chance[1] < self.rotate)
        flips = [1 - 2 * (chance[i] < self.flip).float() for i in (2, 3)]
        gains = 1 + self.white_balance * (2 * chance[7:].T - 1)
        saturation = 1 + self.saturation * (2 * chance[6] - 1)
        return AugmentationParams(
            _matrices(angle, flips, 1 / _log_uniform(self.zoom, chance[4]), aspect),
            gains.reshape(count, channels, 1, 1),
            _log_uniform(self.gamma, chance[5]).view(-1, 1, 1, 1),
            saturation.view(-1, 1, 1, 1),
        )


def _log_uniform(bounds: tuple[float, float], chance: torch.Tensor) -> torch.Tensor:
    low, high = (math.log(bound) for bound in bounds)
    return torch.exp(low + (high - low) * chance)


def _matrices(
    angle: torch.Tensor, flips: list[torch.Tensor], shrink: torch.Tensor, aspect: float
) -> torch.Tensor:
    flip_x, flip_y = (shrink * flip for flip in flips)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    rows = (
        torch.stack([flip_x * cos, -flip_x * sin / aspect, zero], dim=1),
        torch.stack([flip_y * sin * aspect, flip_y * cos, zero], dim=1),
    )
    return torch.stack(rows, dim=1)
