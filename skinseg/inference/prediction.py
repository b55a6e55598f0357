"""What a network says of one image."""

import dataclasses
from functools import cached_property

import numpy as np

from skinseg.data.images import ImageError
from skinseg.inference.mask_shape import bounding_box, count_components
from skinseg.inference.outline import draw_outline
from skinseg.inference.pixels import ImageLike, as_rgb


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """Lesion probability and mask of one image, at the image's own size.

    Attributes:
        probability: float32 (H, W), 0..1: the network's output for the class lesion.
        mask: bool (H, W), True where the probability reaches the threshold.

    Example:
        >>> probability = np.zeros((20, 30), np.float32)
        >>> probability[5:15, 10:20] = 0.9
        >>> prediction = Prediction(probability, probability >= 0.5)
        >>> prediction.bounding_box, prediction.components
        ((10, 5, 10, 10), 1)
        >>> round(prediction.area_fraction, 3), round(prediction.confidence, 3)
        (0.167, 0.947)
    """

    probability: np.ndarray
    mask: np.ndarray

    @property
    def area_fraction(self) -> float:
        """Fraction of the image's pixels that are lesion, 0..1."""
        return float(self.mask.mean())

    @property
    def bounding_box(self) -> tuple[int, int, int, int] | None:
        """Smallest upright box around the lesion, (x, y, width, height) in pixels, or None.

        x counts from the left edge and y from the top edge of the image.
        """
        return bounding_box(self.mask)

    @cached_property
    def components(self) -> int:
        """Number of connected parts of the mask; pixels touch at edges and corners alike."""
        return count_components(self.mask)

    @property
    def confidence(self) -> float:
        """How sure the network is of its mask, 0..1; 0 for an empty mask.

        The Dice score of the mask against the probabilities themselves, 2 * sum(p in the mask) /
        (sum(p) + area of the mask): the Dice score to expect if the probabilities were right. They
        are not calibrated, so it ranks images by how much their masks deserve a look, and promises
        no score. It says nothing of what the lesion is: it is no probability of a disease.
        """
        inside = self.probability.sum(where=self.mask, dtype=np.float64)
        total = self.probability.sum(dtype=np.float64) + np.count_nonzero(self.mask)
        return float(2 * inside / total) if total else 0.0

    def overlay(self, image: ImageLike) -> np.ndarray:
        """Draw the mask's outline on the image.

        Args:
            image: The image that was predicted, in any form that the predictor takes.

        Returns:
            uint8 RGB (H, W, 3). The line is bright between dark edges, so that it is seen on any
            skin; its width grows with the image.

        Raises:
            ImageError: If the image cannot be read, or is of another size than the mask.
        """
        rgb = as_rgb(image)
        if rgb.shape[:2] != self.mask.shape:
            raise ImageError(
                f"the image is {rgb.shape[1]} x {rgb.shape[0]}, the mask {self.mask.shape[1]} x "
                f"{self.mask.shape[0]}; give the image that was predicted"
            )
        return draw_outline(rgb, self.mask)
