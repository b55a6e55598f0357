"""What a network says of one image."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from skinseg.data.coco_rle import CocoRle, encode_rle
from skinseg.data.decoding import ImageError
from skinseg.data.polygons import Polygon, mask_polygons
from skinseg.data.run_lengths import RunLengths
from skinseg.formatting import counted
from skinseg.inference.enlarge import EnlargedLogits
from skinseg.inference.outline import draw_outline
from skinseg.inference.pixels import ImageLike, as_rgb
from skinseg.inference.postprocessing import Postprocessing

# Probabilities per logit, along each side, that are enough to compute confidence from.
_ENOUGH = 4


class Prediction:
    """Lesion probability and mask of one image, at the image's own size.

    A prediction keeps the network's small output; what is asked of it is computed when it is first
    asked for. Mask and measurements cost little even of a photograph; the probabilities of all its
    pixels cost more than the network. It may be pickled, and used by several threads.

    Args:
        probability: float32 (H, W), 0..1.
        mask: bool (H, W).
        channel_order: Order of color channels in arrays and tensors that :meth:`overlay` takes,
            ``"rgb"`` or ``"bgr"``.

    Example:
        >>> probability = np.zeros((20, 30), np.float32)
        >>> probability[5:15, 10:20] = 0.9
        >>> prediction = Prediction(probability, probability >= 0.5)
        >>> prediction.bounding_box, prediction.components
        ((10, 5, 10, 10), 1)
        >>> prediction
        <Prediction: 30 x 20 pixels, 16.7% lesion in 1 part, 10 x 10 from (10, 5), confidence 0.95>
        >>> round(prediction.area_fraction, 3), round(prediction.confidence, 3)
        (0.167, 0.947)
    """

    def __init__(
        self, probability: np.ndarray, mask: np.ndarray, *, channel_order: str = "rgb"
    ) -> None:
        self._logits: EnlargedLogits | None = None
        self._threshold = math.nan
        self._channel_order = channel_order
        self._postprocessing = Postprocessing()
        # In the place where the properties below keep what they have computed.
        vars(self).update(probability=probability, mask=mask)

    @classmethod
    def from_logits(
        cls,
        logits: np.ndarray,
        size: tuple[int, int],
        threshold: float,
        *,
        channel_order: str = "rgb",
        postprocessing: Postprocessing | None = None,
    ) -> Prediction:
        """Make a prediction of a network's output.

        Args:
            logits: float32 (passes, h, w), the logits of the lesion, of each pass of test-time
                augmentation or of the only one.
            size: (H, W) of the image.
            threshold: Probability from which a pixel is lesion; above 0, below 1.
            channel_order: As for the class.
            postprocessing: What is done to the mask after the threshold; nothing if None.

        Example:
            >>> logits = np.array([[[-2.0, 2.0]]], np.float32)
            >>> Prediction.from_logits(logits, (1, 4), threshold=0.5).mask.tolist()
            [[False, False, True, True]]
        """
        prediction = cls.__new__(cls)
        prediction._logits = EnlargedLogits(logits, size)
        prediction._threshold = threshold
        prediction._channel_order = channel_order
        prediction._postprocessing = postprocessing or Postprocessing()
        return prediction

    def __repr__(self) -> str:
        """Size of the image; how much of it is lesion, in how many parts, where, how surely."""
        height, width = self.size
        if self.bounding_box is None:
            return f"<Prediction: {width} x {height} pixels, no lesion>"
        x, y, box_width, box_height = self.bounding_box
        return (
            f"<Prediction: {width} x {height} pixels, {self.area_fraction:.1%} lesion in "
            f"{counted(self.components, 'part')}, {box_width} x {box_height} from ({x}, {y}), "
            f"confidence {self.confidence:.2f}>"
        )

    @cached_property
    def probability(self) -> np.ndarray:
        """The network's output for the class lesion, float32 (H, W), 0..1."""
        assert self._logits is not None
        return self._logits.probability()

    @cached_property
    def mask(self) -> np.ndarray:
        """Where the probability reaches the threshold, after post-processing; bool (H, W)."""
        return self.run_lengths.to_mask()

    @cached_property
    def run_lengths(self) -> RunLengths:
        """The mask as runs of lesion pixels: a few kilobytes where the mask has megabytes."""
        if self._logits is None:
            return RunLengths.from_mask(self.mask)
        return self._postprocessing(self._logits.runs(self._threshold))

    @property
    def without_postprocessing(self) -> Prediction:
        """The prediction with the mask as the threshold has it."""
        if self._logits is None or not self._postprocessing:
            return self
        plain = Prediction.from_logits(
            self._logits.logits, self.size, self._threshold, channel_order=self._channel_order
        )
        plain._logits = self._logits  # With what it has computed already.
        return plain

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the image in pixels."""
        return self.run_lengths.shape if self._logits is None else self._logits.size

    @property
    def area_fraction(self) -> float:
        """Fraction of the image's pixels that are lesion, 0..1."""
        return self.run_lengths.area / math.prod(self.size)

    @property
    def bounding_box(self) -> tuple[int, int, int, int] | None:
        """Smallest upright box around the lesion, (x, y, width, height) in pixels, or None.

        x counts from the left edge and y from the top edge of the image.
        """
        return self.run_lengths.bounding_box

    @cached_property
    def components(self) -> int:
        """Number of connected parts of the mask; pixels touch at edges and corners alike."""
        return self.run_lengths.components

    @cached_property
    def confidence(self) -> float:
        """How sure the network is of its mask, 0..1; 0 for an empty mask.

        The Dice score of the mask against the probabilities themselves, 2 * sum(p in the mask) /
        (sum(p) + area of the mask): the Dice score to expect if the probabilities were right. They
        are not calibrated, so it ranks images by how much their masks deserve a look, and promises
        no score. It says nothing of what the lesion is: it is no probability of a disease.

        Of a large image, as many probabilities enter as there are logits, times four along each
        side, rather than one per pixel; that changes the result by less than 0.001. A mask that
        was post-processed is compared with the probabilities of all pixels.
        """
        if self._logits is None or self._postprocessing:
            inside = float(self.probability.sum(where=self.mask, dtype=np.float64))
            total = float(self.probability.sum(dtype=np.float64)) + self.run_lengths.area
            return 2 * inside / total if total else 0.0
        area = self.area_fraction
        if not area:
            return 0.0
        _, height, width = self._logits.logits.shape
        size = min(self.size[0], _ENOUGH * height), min(self.size[1], _ENOUGH * width)
        probability = EnlargedLogits(self._logits.logits, size).probability()
        # What is above the threshold is summed, and what is below it known from the area: the edge
        # of the lesion is then no step, and few probabilities are enough.
        above = np.maximum(probability - np.float32(self._threshold), 0).mean(dtype=np.float64)
        inside = float(above) + self._threshold * area
        return 2 * inside / (float(probability.mean(dtype=np.float64)) + area)

    def polygons(self, tolerance: float = 1.0) -> list[Polygon]:
        """Trace the mask's outlines.

        Args:
            tolerance: How far, in pixels, a straight line may be from the points that it replaces;
                0 for polygons that are exactly the mask.

        Returns:
            The parts of the mask that are connected over edges of pixels, each with its holes;
            coordinates are (x, y) in pixels from the upper left corner.

        Raises:
            ValueError: If ``tolerance`` is negative.
        """
        return mask_polygons(self.run_lengths, tolerance)

    def rle(self, *, compressed: bool = True) -> CocoRle:
        """Return the mask as the run lengths of COCO's annotations.

        Args:
            compressed: ``counts`` as the string that COCO's own tools write; otherwise as a list of
                numbers, which they read as well.
        """
        return encode_rle(self.mask, compressed=compressed)

    def to_dict(self, tolerance: float = 1.0) -> dict[str, Any]:
        """Return size, measurements, outlines and run lengths as JSON data.

        Args:
            tolerance: As for :meth:`polygons`.

        Example:
            >>> mask = np.zeros((20, 30), bool)
            >>> mask[5:15, 10:20] = True
            >>> found = Prediction(mask.astype(np.float32), mask).to_dict()
            >>> found["bounding_box"], found["polygons"][0]["outer"][0]
            ([10, 5, 10, 10], [10.0, 5.0])
        """
        box = self.bounding_box
        return {
            "size": list(self.size),
            "area_fraction": self.area_fraction,
            "bounding_box": None if box is None else list(box),
            "components": self.components,
            "confidence": self.confidence,
            "polygons": [polygon.to_dict() for polygon in self.polygons(tolerance)],
            "rle": self.rle(),
        }

    def overlay(self, image: ImageLike) -> np.ndarray:
        """Draw the mask's outline on the image.

        Args:
            image: The image that was predicted, in any form that the predictor takes, with the
                channel order that the predictor was given.

        Returns:
            uint8 (H, W, 3), RGB whatever the order of the image. The line is bright between dark
            edges, so that it is seen on any skin; its width grows with the image.

        Raises:
            ImageError: If the image cannot be read, or is of another size than the mask.
        """
        rgb = as_rgb(image, channel_order=self._channel_order)
        if rgb.shape[:2] != self.size:
            raise ImageError(
                f"the image is {rgb.shape[1]} x {rgb.shape[0]}, the mask {self.size[1]} x "
                f"{self.size[0]}; give the image that was predicted"
            )
        return draw_outline(rgb, self.mask)

    def __getstate__(self) -> dict[str, Any]:
        if self._logits is None:
            return vars(self)
        # What was computed from the logits need not travel: it is computed again.
        kept = ("_logits", "_threshold", "_channel_order", "_postprocessing")
        return {name: value for name, value in vars(self).items() if name in kept}
