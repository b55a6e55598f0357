"""A data set in one word, as the command line has it."""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from skinseg.data.any_label import AnyLabel
from skinseg.data.datasets import PairDataset
from skinseg.data.folder import FolderDataset
from skinseg.data.isic import ISIC2016, ISIC2017, ISIC2018
from skinseg.data.listing import list_images
from skinseg.data.mapped_labels import MappedLabels
from skinseg.data.pairs import DatasetError
from skinseg.data.ph2 import PH2
from skinseg.data.polygon_labels import CocoDataset, OutlineDataset, YoloDataset

# Each refuses a split that it does not have.
_ISIC: dict[str, Callable[..., PairDataset]] = {
    "isic2016": ISIC2016,
    "isic2017": ISIC2017,
    "isic2018": ISIC2018,
}
_OFFICIAL = re.compile(r"(isic2016|isic2017|isic2018|ph2):(.*)", re.IGNORECASE | re.DOTALL)
_SPLIT = re.compile(r"(?P<root>.+):(?P<splits>[a-z0-9+]+)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class DatasetSource:
    """Where images with masks are, as one word of the command line says it.

    Attributes:
        text: The word itself.
        layout: ``"folder"``, ``"isic2016"``, ``"isic2017"``, ``"isic2018"`` or ``"ph2"``.
        root: The folder.
        splits: Official splits, for ISIC.
    """

    text: str
    layout: str
    root: Path
    splits: tuple[str, ...] = ()

    @classmethod
    def parse(cls, source: str | os.PathLike[str]) -> "DatasetSource":
        """Parse a folder, ``"isic2017:FOLDER:SPLIT"`` or ``"ph2:FOLDER"``.

        Raises:
            DatasetError: If an ISIC source names no split.

        Example:
            >>> DatasetSource.parse("isic2017:photos:train+val").splits
            ('train', 'val')
        """
        text = os.fspath(source)
        official = _OFFICIAL.fullmatch(text)
        if not official:
            return cls(text, "folder", Path(text))
        layout = official[1].lower()
        if layout == "ph2":
            return cls(text, layout, Path(official[2]))
        parts = _SPLIT.fullmatch(official[2])
        if not parts:
            raise DatasetError(
                f"{text!r} names no split. Write it as {layout}:FOLDER:SPLIT, with train, val, "
                "test or several joined as train+val."
            )
        return cls(text, layout, Path(parts["root"]), tuple(parts["splits"].split("+")))

    @property
    def name(self) -> str:
        """Name of the folder, for what is made from the data set."""
        name = self.root.resolve().name
        return name[: -len(".zip")] if name.lower().endswith(".zip") else name

    def open(self, masks: str | os.PathLike[str] | None = None) -> PairDataset:
        """Open the data set.

        Args:
            masks: Folder of the masks, for a plain folder whose masks are elsewhere.

        Raises:
            DatasetError: As :func:`open_dataset`.
        """
        if self.layout == "folder":
            return _plain(self.root, masks)
        if masks is not None:
            raise DatasetError(
                f"{self.text!r} has its masks in it; leave the folder '{masks}' out."
            )
        if self.layout == "ph2":
            return PH2(self.root)
        first, *others = (_ISIC[self.layout](self.root, split) for split in self.splits)
        return sum(others, first)


def open_dataset(
    source: str | os.PathLike[str],
    *,
    masks: str | os.PathLike[str] | None = None,
    split_file: str | os.PathLike[str] | None = None,
    labels: Mapping[int, str] | None = None,
    any_label: bool = False,
) -> PairDataset:
    """Open images with masks, in a plain folder or as an official archive unpacks.

    Args:
        source: A folder or zip archive as :class:`~skinseg.data.FolderDataset` takes it; a folder
            with ``images`` and YOLO's ``labels``; a JSON file of COCO's annotations beside its
            images; ``"isic2016:FOLDER:SPLIT"``, ``"isic2017:FOLDER:SPLIT"`` or
            ``"isic2018:FOLDER:SPLIT"`` with the folder that holds the official ones and ``train``,
            ``val``, ``test`` or several joined as ``train+val``; or ``"ph2:FOLDER"``.
        masks: Folder of the masks, or of YOLO's text files, or COCO's JSON file, for a plain folder
            whose masks are elsewhere.
        split_file: Text file with one id per line: these images alone, in that order.
        labels: What the values of the masks mean, where they are labels; see
            :class:`~skinseg.data.MappedLabels`.
        any_label: Take all labels but 0 for lesion; see :class:`~skinseg.data.AnyLabel`.

    Raises:
        DatasetError: If the folder is not there or laid out otherwise, the split is missing or
            unknown, an id of the split file is not among the images, or ``labels`` is wrong or
            given with ``any_label``.

    Example:
        >>> open_dataset("isic2017:photos")
        Traceback (most recent call last):
            ...
        skinseg.data.pairs.DatasetError: 'isic2017:photos' names no split. Write it as ...
    """
    if any_label and labels is not None:
        raise DatasetError("labels and any_label exclude each other; leave one of them out.")
    dataset = DatasetSource.parse(source).open(masks)
    if split_file is not None:
        dataset = dataset.subset(os.fspath(split_file))
    if isinstance(dataset, OutlineDataset):
        if any_label:
            return dataset.with_labels({n: "lesion" for n in dataset.all_classes() or {0}})
        return dataset if labels is None else dataset.with_labels(labels)
    if labels is not None:
        return MappedLabels(dataset, labels)
    return AnyLabel(dataset) if any_label else dataset


def _outlined(folder: Path, masks: str | os.PathLike[str] | None) -> PairDataset | None:
    """The data set of a COCO file or of YOLO's text files, if that is what is named."""
    if masks is None:
        if folder.suffix.lower() == ".json" and folder.is_file():
            return CocoDataset(folder)
        yolo = (folder / "labels").is_dir() and not (folder / "masks").is_dir()
        if yolo and any((folder / "labels").glob("*.txt")):
            return YoloDataset(folder / "images", folder / "labels")
        return None
    place = Path(masks)
    if place.suffix.lower() == ".json" and place.is_file():
        return CocoDataset(place, folder)
    if place.is_dir() and any(place.glob("*.txt")) and not list_images(place):
        return YoloDataset(folder, place)
    return None


def _plain(folder: Path, masks: str | os.PathLike[str] | None) -> PairDataset:
    outlined = _outlined(folder, masks)
    if outlined is not None:
        return outlined
    try:
        return FolderDataset(folder, masks)
    except DatasetError as error:
        for year in ("2016", "2017", "2018"):
            if any(folder.glob(f"IS*{year}*_Training_*")) or any(folder.glob(f"IS*{year}*_Test_*")):
                hint = f"It looks like the official ISIC {year}: write isic{year}:{folder}:SPLIT."
                raise DatasetError(f"{error} {hint}") from error
        raise
