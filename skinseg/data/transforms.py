"""Size, place and colour of images with their masks, in batches; a mask never becomes grey."""

import dataclasses
import math

import torch
from torch.nn import functional as F


def resize_images(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resize (B, C, H, W) bilinearly with antialiasing; uint8 stays uint8, values 0..255."""
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    resized = F.interpolate(
        images.float(), size=size, mode="bilinear", align_corners=False, antialias=True
    )
    if images.is_floating_point():
        return resized
    return resized.round().clamp(0, 255).to(images.dtype)


def resize_masks(masks: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resize bool masks (B, 1, H, W) to the nearest pixel; they stay bool."""
    if tuple(masks.shape[-2:]) == tuple(size):
        return masks
    return F.interpolate(masks.float(), size=size, mode="nearest-exact") > 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomGeometry:
    """Flips, a rotation by any angle and a zoom, each sample its own; reflection fills the frame.

    Attributes:
        flip: Probability of each of the two flips.
        rotate: Probability of a rotation.
        zoom: Range of the factor by which lesions grow, drawn evenly on a logarithmic scale.

    Example:
        >>> images = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
        >>> masks = torch.zeros(2, 1, 32, 32, dtype=torch.bool)
        >>> generator = torch.Generator().manual_seed(0)
        >>> images, masks = RandomGeometry()(images, masks, generator)
        >>> images.shape, images.dtype, masks.dtype
        (torch.Size([2, 3, 32, 32]), torch.float32, torch.bool)
    """

    flip: float = 0.5
    rotate: float = 0.5
    zoom: tuple[float, float] = (1.0, 1.0)

    def __call__(
        self,
        images: torch.Tensor,
        masks: torch.Tensor,
        generator: torch.Generator,
        size: tuple[int, int] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Transform a batch.

        Args:
            images: (B, C, H, W), values 0..255.
            masks: bool (B, 1, H, W).
            generator: Source of chance, on the CPU.
            size: Height and width of the result; by default those of the images. It should not be
                below half of them, for every pixel of the source to be seen.

        Returns:
            Images as float32, and masks as bool.
        """
        matrices = self._matrices(len(images), images.shape[-1] / images.shape[-2], generator)
        shape = [len(images), 1, *(size or images.shape[-2:])]
        grid = F.affine_grid(matrices, shape, align_corners=False).to(images.device)
        sample = {"padding_mode": "reflection", "align_corners": False}
        moved = F.grid_sample(images.float(), grid, mode="bilinear", **sample)
        moved_masks = F.grid_sample(masks.float(), grid, mode="nearest", **sample)
        return moved, moved_masks > 0.5

    def _matrices(self, count: int, aspect: float, generator: torch.Generator) -> torch.Tensor:
        """Affine matrices (count, 2, 3) in the units of ``affine_grid``, where sides are 2 long."""
        chance = torch.rand(5, count, generator=generator)
        angle = 2 * math.pi * chance[0] * (chance[1] < self.rotate)
        low, high = (math.log(factor) for factor in self.zoom)
        shrink = torch.exp(-(low + (high - low) * chance[4]))
        flip_x, flip_y = (shrink * (1 - 2 * (chance[i] < self.flip).float()) for i in (2, 3))
        cos, sin, zero = angle.cos(), angle.sin(), torch.zeros(count)
        rows = (
            torch.stack([flip_x * cos, -flip_x * sin / aspect, zero], dim=1),
            torch.stack([flip_y * sin * aspect, flip_y * cos, zero], dim=1),
        )
        return torch.stack(rows, dim=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomWhiteBalance:
    """Each colour channel brighter or darker by a factor of its own, each sample apart.

    Attributes:
        strength: The factors lie in ``1 - strength .. 1 + strength``.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> RandomWhiteBalance(strength=0.1)(torch.ones(2, 3, 4, 4), generator).shape
        torch.Size([2, 3, 4, 4])
    """

    strength: float

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Transform float images (B, C, H, W)."""
        chance = torch.rand(*images.shape[:2], 1, 1, generator=generator)
        return images * (1 + self.strength * (2 * chance - 1)).to(images.device)
