"""A data set in one word, as the command line has it."""

import os
import re
from pathlib import Path

from skinseg.data import ISIC2016, ISIC2017, ISIC2018, PH2, DatasetError, FolderDataset, PairDataset

_ISIC = {"isic2016": ISIC2016, "isic2017": ISIC2017, "isic2018": ISIC2018}
_OFFICIAL = re.compile(r"(isic2016|isic2017|isic2018|ph2):(.*)", re.IGNORECASE | re.DOTALL)
_SPLIT = re.compile(r"(?P<root>.+):(?P<splits>[a-z0-9+]+)", re.DOTALL)


def open_dataset(
    source: str | os.PathLike[str],
    *,
    masks: str | os.PathLike[str] | None = None,
    split_file: str | os.PathLike[str] | None = None,
) -> PairDataset:
    """Open images with masks, in a plain folder or as an official archive unpacks.

    Args:
        source: A folder as :class:`~skinseg.data.FolderDataset` takes it; or
            ``"isic2016:FOLDER:SPLIT"``, ``"isic2017:FOLDER:SPLIT"``, ``"isic2018:FOLDER:SPLIT"``
            with the folder that holds the official ones and ``train``, ``val``, ``test`` or several
            joined as ``train+val``; or ``"ph2:FOLDER"``.
        masks: Folder of the masks, for a plain folder whose masks lie elsewhere.
        split_file: Text file with one id a line: these images alone, in that order.

    Raises:
        DatasetError: If the folder is not there or laid out otherwise, the split is missing or
            unknown, or an id of the split file is not among the images.

    Example:
        >>> open_dataset("isic2017:photos")
        Traceback (most recent call last):
            ...
        skinseg.data.pairs.DatasetError: 'isic2017:photos' names no split. Write it as ...
    """
    text = os.fspath(source)
    official = _OFFICIAL.fullmatch(text)
    if not official:
        dataset = _plain(Path(text), masks)
    elif masks is not None:
        raise DatasetError(f"{text!r} has its masks in it; leave the folder '{masks}' out.")
    elif official[1].lower() == "ph2":
        dataset = PH2(official[2])
    else:
        dataset = _isic(text, official[1].lower(), official[2])
    return dataset if split_file is None else dataset.subset(os.fspath(split_file))


def _plain(folder: Path, masks: str | os.PathLike[str] | None) -> PairDataset:
    try:
        return FolderDataset(folder, masks)
    except DatasetError as error:
        for year in ("2016", "2017", "2018"):
            if any(folder.glob(f"IS*{year}*_Training_*")) or any(folder.glob(f"IS*{year}*_Test_*")):
                hint = f"It looks like the official ISIC {year}: write isic{year}:{folder}:SPLIT."
                raise DatasetError(f"{error} {hint}") from error
        raise


def _isic(source: str, name: str, rest: str) -> PairDataset:
    parts = _SPLIT.fullmatch(rest)
    if not parts:
        raise DatasetError(
            f"{source!r} names no split. Write it as {name}:FOLDER:SPLIT, with train, val, test or "
            "several joined as train+val."
        )
    first, *others = (_ISIC[name](parts["root"], split) for split in parts["splits"].split("+"))
    return sum(others, first)
