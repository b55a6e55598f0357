"""A network that takes photographs: resizing, normalization and the way back inside."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.data.normalization import Normalization
from skinseg.logits import lesion_logits
from skinseg.runtimes.metadata import ExportMetadata

# Luma of ITU-R 601-2, in 65536ths, as Pillow converts to gray.
_LUMA = (19595.0, 38470.0, 7471.0)


class Preprocessed(nn.Module):
    """From 8-bit RGB images of any size to lesion probabilities or masks of that size.

    Images are resized with antialiasing to the size that the network takes, rounded to 8 bits, and
    normalized image by image as the weights' record says. Logits are enlarged bilinearly to the
    images' size.

    Args:
        network: Maps normalized images (B, C, *size) to logits of one or two classes.
        metadata: Size, channels, record and output.
        by_products: Resize by matrix products, for formats that know no antialiasing. The matrices
            are as large as the images, so that photographs take longer.

    Shape:
        uint8 (B, H, W, 3) -> float32 (B, 1, H, W), 0..1, or uint8 (B, 1, H, W), 0 and 255.
    """

    luma: torch.Tensor

    def __init__(
        self, network: nn.Module, metadata: ExportMetadata, *, by_products: bool = False
    ) -> None:
        super().__init__()
        record = metadata.record
        height, width = metadata.size or record.input_size[1:]
        self.network = network
        self.size = [height, width]
        self.gray = metadata.in_chans == 1
        self.normalization = Normalization.from_dict(record.normalization)
        self.masks = metadata.output == "mask"
        self.level = math.log(record.threshold / (1 - record.threshold))
        self.by_products = by_products
        self.register_buffer("luma", torch.tensor(_LUMA).view(1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Segment images (B, H, W, 3)."""
        x = images.permute(0, 3, 1, 2).float()
        if self.by_products:
            rows, columns = (
                _resizing_matrix(old, new)
                for old, new in zip(images.shape[1:3], self.size, strict=True)
            )
            x = rows @ (x @ columns.T)
        else:
            x = F.interpolate(x, self.size, mode="bilinear", align_corners=False, antialias=True)
        # As 8-bit images, which networks are trained on.
        x = x.round().clamp(0, 255)
        if self.gray:
            x = (((x * self.luma).sum(1, keepdim=True) + 0x8000) / 65536).floor()
        logits = lesion_logits(self.network(self.normalization(x)))
        height, width = images.shape[1], images.shape[2]
        logits = F.interpolate(logits, (height, width), mode="bilinear", align_corners=False)
        if self.masks:
            return (logits >= self.level).to(torch.uint8) * 255
        return logits.sigmoid()


def _resizing_matrix(old: int, new: int) -> torch.Tensor:
    """Weights (new, old) of bilinear resizing with antialiasing, a triangle around each center."""
    scale = old / new
    centers = (torch.arange(new) + 0.5) * scale
    # Smaller steps than a pixel are between two pixels; larger ones are averages over more.
    reach = max(scale, 1.0)
    distances = (torch.arange(old) + 0.5) - centers[:, None]
    weights = (1 - distances.abs() / reach).clamp(min=0)
    return weights / weights.sum(1, keepdim=True)
