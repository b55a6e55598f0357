"""Masks with labels, some of which are lesion."""

from collections.abc import Mapping

import numpy as np

from skinseg.data.datasets import PairDataset
from skinseg.data.images import read_labels
from skinseg.data.pairs import DatasetError

LABEL_NAMES = ("background", "lesion")


class MappedLabels(PairDataset):
    """The pairs of a data set, with masks that hold labels of which it is known what they mean.

    Args:
        dataset: Where the files come from.
        labels: ``"background"`` or ``"lesion"`` for each value of the masks, as they are stored.

    Raises:
        DatasetError: No label is lesion, or one is called something else.

    Example:
        >>> from pathlib import Path
        >>> from skinseg.data import Pair
        >>> files = PairDataset([Pair("x", Path("x.jpg"), Path("x.png"))])
        >>> MappedLabels(files, {0: "background", 2: "lesion"}).ids
        ['x']
    """

    def __init__(self, dataset: PairDataset, labels: Mapping[int, str]) -> None:
        self.labels = checked_labels(labels)
        super().__init__(dataset._pairs, dataset.stray_masks)

    def _about(self) -> list[str]:
        lesions = [str(value) for value, name in self.labels.items() if name == "lesion"]
        return [*super()._about(), f"lesion is {', '.join(lesions)}"]

    def mask_levels(self, index: int) -> np.ndarray:
        """The mask of a sample as `uint8` `(H, W)`: 255 where its label is lesion, else 0.

        Raises:
            DatasetError: The image has no mask, or one with a value that has no name.
            ImageError: The file cannot be read.
        """
        path = self._existing_mask(index)
        values = read_labels(path)
        unnamed = sorted(set(np.unique(values).tolist()) - self.labels.keys())
        if unnamed:
            raise DatasetError(
                f"'{path}' holds {', '.join(map(str, unnamed))}, and labels names "
                f"{', '.join(map(str, self.labels))} only. Name every value background or lesion; "
                "of a JPEG file that is not possible, save it as PNG."
            )
        lesions = [value for value, name in self.labels.items() if name == "lesion"]
        return np.isin(values, lesions) * np.uint8(255)


def checked_labels(labels: Mapping[int, str]) -> dict[int, str]:
    """What each value of masks, or each class of outlines, means.

    Raises:
        DatasetError: No value is lesion, or one is called something else.
    """
    wrong = sorted(set(labels.values()) - set(LABEL_NAMES))
    if wrong or "lesion" not in labels.values():
        raise DatasetError(
            f"labels={dict(labels)} must name each value background or lesion, and one of them "
            "lesion, as {0: 'background', 2: 'lesion'}."
        )
    return dict(labels)


def parse_labels(text: str) -> dict[int, str]:
    """Parse labels as the command line has them.

    Raises:
        DatasetError: If it is written otherwise.

    Example:
        >>> parse_labels("0=background,2=lesion")
        {0: 'background', 2: 'lesion'}
    """
    labels = {}
    for part in text.split(","):
        value, _, name = (word.strip() for word in part.partition("="))
        if not value.isdecimal() or name not in LABEL_NAMES or int(value) in labels:
            raise DatasetError(
                f"labels {text!r} must name values background or lesion, each value once, as "
                "0=background,2=lesion."
            )
        labels[int(value)] = name
    return labels
