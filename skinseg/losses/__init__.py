"""Losses of masks, on logits: lesion against skin, and several classes.

Two forms of output and target, told apart by the target's type:

- binary, or several classes of which a pixel may have any: logits (B, C, H, W) and a target of that
  shape, floating point, 0..1; a sigmoid makes each channel a probability. Lesion is C = 1;
- classes of which each pixel has one: logits (B, C, H, W) with C of 2 or more, and a target
  (B, H, W) of their indices, int64; a softmax makes the channels probabilities, as in
  :func:`torch.nn.functional.cross_entropy`.

Logits of half precision are computed with in float32: their sums over pixels would overflow.
"""

from skinseg.losses.boundary import boundary_loss
from skinseg.losses.focal import focal_loss
from skinseg.losses.region import dice_loss, iou_loss, tversky_loss
from skinseg.losses.segmentation import (
    AUX_WEIGHTS,
    LOSSES,
    deep_supervision_loss,
    segmentation_loss,
)

__all__ = [
    "AUX_WEIGHTS",
    "LOSSES",
    "boundary_loss",
    "deep_supervision_loss",
    "dice_loss",
    "focal_loss",
    "iou_loss",
    "segmentation_loss",
    "tversky_loss",
]
