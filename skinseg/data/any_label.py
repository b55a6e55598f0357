"""Masks with several labels, of which each is lesion."""

import numpy as np

from skinseg.data.datasets import PairDataset
from skinseg.data.decoding import MAX_PIXELS, decoded
from skinseg.data.images import BLACK_NOISE, stored_values
from skinseg.data.pairs import Pair


class AnyLabel(PairDataset):
    """The pairs of a data set with all labels but 0 (in color: but black) taken for lesion.

    The label of a palette mask is its index. Fully transparent pixels are background.

    Args:
        dataset: Where the files come from.

    Example:
        >>> from pathlib import Path
        >>> AnyLabel(PairDataset([Pair("x", Path("x.jpg"), Path("x.png"))])).ids
        ['x']
    """

    def __init__(self, dataset: PairDataset) -> None:
        pairs = [
            Pair(name, dataset.image_path(index), dataset.mask_path(index))
            for index, name in enumerate(dataset.ids)
        ]
        super().__init__(pairs, dataset.stray_masks)

    def _about(self) -> list[str]:
        return [*super()._about(), "lesion is every label but 0"]

    def mask_levels(self, index: int) -> np.ndarray:
        """The mask of a sample as `uint8` `(H, W)`: 255 where there is a label, else 0."""
        with decoded(self._existing_mask(index), MAX_PIXELS) as (image, *_):
            wide = image.mode in ("I", "F") or image.mode.startswith("I;16")
            values = np.asarray(image) if wide else stored_values(image)
            lossy = image.format in ("JPEG", "MPO")
        values = values if values.ndim == 2 else values.max(axis=2)
        return (values >= (BLACK_NOISE if lossy else 1)) * np.uint8(255)
