"""Size of images and masks, in batches; a mask never becomes gray."""

import numpy as np
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


def resize_sample(
    image: np.ndarray, mask: np.ndarray, size: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Resize an image and its mask to a batch of one.

    Args:
        image: uint8 (H, W, 3).
        mask: bool (H, W).
        size: (height, width) of the result.

    Returns:
        The image, uint8 (1, 3, height, width), and the mask, bool (1, 1, height, width).
    """
    # PyTorch warns of arrays that cannot be written to.
    pixels = torch.from_numpy(np.require(image, requirements=["C", "W"]))
    lesion = torch.from_numpy(np.require(mask, requirements=["C", "W"]))
    return resize_images(pixels.permute(2, 0, 1)[None], size), resize_masks(
        lesion[None, None], size
    )
