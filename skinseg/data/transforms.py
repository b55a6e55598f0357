"""Size of images and masks, in batches; a mask never becomes gray."""

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
