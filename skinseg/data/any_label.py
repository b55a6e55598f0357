"""Masks with several labels, of which each is lesion."""

import numpy as np

from skinseg.data.datasets import PairDataset
from skinseg.data.decoding import MAX_PIXELS, decoded
from skinseg.data.images import BLACK_NOISE, is_lossy, is_wide, stored_values


class AnyLabel(PairDataset):
    """The pairs of a data set with all labels but 0 (in color: but black) taken for lesion.

    The label of a palette mask is its index. Fully transparent pixels are background.

    Args:
        dataset: Where the files come from.

    Example:
        >>> from pathlib import Path
        >>> from skinseg.data import Pair
        >>> AnyLabel(PairDataset([Pair("x", Path("x.jpg"), Path("x.png"))])).ids
        ['x']
    """

    def __init__(self, dataset: PairDataset) -> None:
        super().__init__(dataset._pairs, dataset.stray_masks)

    def _about(self) -> list[str]:
        return [*super()._about(), "lesion is every label but 0"]

    def mask_levels(self, index: int) -> np.ndarray:
        """The mask of a sample as `uint8` `(H, W)`: 255 where there is a label, else 0."""
        with decoded(self._existing_mask(index), MAX_PIXELS) as (image, *_):
            values = np.asarray(image) if is_wide(image) else stored_values(image)
            least = BLACK_NOISE if is_lossy(image) else 1
        values = values if values.ndim == 2 else values.max(axis=2)
        return (values >= least) * np.uint8(255)
