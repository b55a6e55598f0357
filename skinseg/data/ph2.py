"""The PH2 data set of the dermatology service of Hospital Pedro Hispano."""

import os
from pathlib import Path

from skinseg.data.datasets import PairDataset
from skinseg.data.listing import is_image_path
from skinseg.data.pairs import DatasetError, pair_by_stem

_LAYOUT = "PH2Dataset/PH2 Dataset images"


class PH2(PairDataset):
    """PH2: 200 dermoscopic images of melanocytic lesions, laid out as downloaded.

    Args:
        root: The folder that holds `PH2Dataset`, or that folder itself; below it are
            `PH2 Dataset images/IMD003/IMD003_Dermoscopic_Image/IMD003.bmp` and
            `PH2 Dataset images/IMD003/IMD003_lesion/IMD003_lesion.bmp`, ...

    Raises:
        DatasetError: The folders are not there, or hold no images or no masks.

    Example:
        >>> PH2("no/such/folder")
        Traceback (most recent call last):
            ...
        skinseg.data.pairs.DatasetError: PH2: no folder ...
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        folder = Path(root, "PH2 Dataset images")
        if not folder.is_dir():
            folder = Path(root, _LAYOUT)
        cases = f"'{folder / 'IMD003/IMD003_Dermoscopic_Image/IMD003.bmp'}'"
        remedy = f"Expected are images as {cases}: give as root the folder that PH2Dataset is in."
        if not folder.is_dir():
            raise DatasetError(f"PH2: no folder '{folder}'. {remedy}")
        pairs, stray_masks = pair_by_stem(
            _images(folder, "*/*_Dermoscopic_Image/*"), _images(folder, "*/*_lesion/*")
        )
        if not pairs:
            raise DatasetError(f"PH2: no images in '{folder}'. {remedy}")
        if all(pair.mask is None for pair in pairs):
            raise DatasetError(f"PH2: no masks '*_lesion/*_lesion.bmp' in '{folder}'. {remedy}")
        super().__init__(pairs, stray_masks)


def _images(folder: Path, pattern: str) -> list[Path]:
    paths = folder.glob(pattern)
    return sorted(path for path in paths if is_image_path(path) and path.name[0] != ".")
