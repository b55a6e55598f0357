"""From a photograph to a mask step by step at full size: what `photograph.py` compares with.

The image is decoded whole and resized by torch, all logits are enlarged to its size, and their
sigmoid is compared with the threshold; Pillow writes the mask.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import nn
from torch.nn import functional as F

from skinseg.data import Normalization, read_image
from skinseg.data.transforms import resize_images
from skinseg.logits import lesion_logits


class PlainPrediction(NamedTuple):
    """Probability, float32 (H, W), and mask, bool (H, W)."""

    probability: np.ndarray
    mask: np.ndarray


@torch.inference_mode()
def predict(
    network: nn.Module,
    rgb: np.ndarray,
    input_size: tuple[int, int],
    normalization: Normalization,
    threshold: float,
) -> PlainPrediction:
    """Segment an image, uint8 (H, W, 3), with a network in evaluation mode."""
    pixels = torch.from_numpy(rgb).permute(2, 0, 1)[None]
    logits = lesion_logits(network(normalization(resize_images(pixels, input_size))))
    height, width = rgb.shape[:2]
    enlarged = F.interpolate(
        logits, size=(height, width), mode="bilinear", align_corners=False, antialias=True
    )
    probability = enlarged.sigmoid()[0, 0].numpy()
    return PlainPrediction(probability, probability >= threshold)


def measurements(prediction: PlainPrediction) -> dict[str, float]:
    """What the table of ``skinseg predict`` says of a mask."""
    probability, mask = prediction
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    inside = probability.sum(where=mask, dtype=np.float64)
    total = probability.sum(dtype=np.float64) + np.count_nonzero(mask)
    return {
        "area": float(mask.mean()),
        "height": float(np.ptp(rows)) if len(rows) else 0.0,
        "width": float(np.ptp(columns)) if len(columns) else 0.0,
        "components": float(ndimage.label(mask, structure=np.ones((3, 3), bool))[1]),
        "confidence": float(2 * inside / total) if total else 0.0,
    }


def segment_file(
    network: nn.Module,
    file: Path,
    output: Path,
    input_size: tuple[int, int],
    normalization: Normalization,
    threshold: float,
) -> dict[str, float]:
    """Read a photograph, write its mask and return the mask's measurements."""
    prediction = predict(network, read_image(file), input_size, normalization, threshold)
    Image.fromarray(prediction.mask.astype(np.uint8) * np.uint8(255)).save(output)
    return measurements(prediction)
