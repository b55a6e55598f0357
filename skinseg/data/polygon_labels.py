"""Outlines in label files as masks: YOLO's text files, and COCO's JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skinseg.data.coco_rle import decode_rle
from skinseg.data.datasets import PairDataset
from skinseg.data.images import image_size
from skinseg.data.listing import list_images
from skinseg.data.mapped_labels import checked_labels
from skinseg.data.pairs import DatasetError, Pair, name_of
from skinseg.data.polygons import flat_points, polygon_runs
from skinseg.formatting import counted

if TYPE_CHECKING:
    from typing_extensions import Self


class OutlineDataset(PairDataset):
    """Images whose lesions are outlined in label files; the base of the two kinds.

    Where the files name several classes, it must be said which are lesion. A pixel is lesion where
    one outline of such a class has its center inside, whatever others say.

    Args:
        pairs: Images with their label files.
        labels: ``"background"`` or ``"lesion"`` for each number of a class; None if there is one
            class alone, which is lesion then.

    Raises:
        DatasetError: No class is lesion, or two pairs have the same id.
    """

    def __init__(self, pairs: Sequence[Pair], labels: Mapping[int, str] | None = None) -> None:
        super().__init__(pairs)
        self.labels = None if labels is None else checked_labels(labels)

    def with_labels(self, labels: Mapping[int, str]) -> Self:
        """The same images with other classes as lesion.

        Raises:
            DatasetError: As for the class.
        """
        same = self._select(range(len(self)))
        same.labels = checked_labels(labels)
        return same

    def classes(self, index: int) -> set[int]:
        """The classes that the label file of a sample names."""
        raise NotImplementedError

    def class_mask(self, index: int, lesion: set[int] | None) -> np.ndarray:
        """Where an outline of one of the classes is (of any, if None), bool (H, W)."""
        raise NotImplementedError

    def mask_levels(self, index: int) -> np.ndarray:
        """The mask of a sample as `uint8` `(H, W)`: 255 inside the outlines of lesion, else 0.

        Raises:
            DatasetError: The image has no label file, one that cannot be read, or one with classes
                of which it is not known whether they are lesion.
        """
        found, path = self.classes(index), self._existing_mask(index)
        if self.labels is None:
            if len(self.all_classes()) > 1:
                known = ", ".join(map(str, sorted(self.all_classes())))
                raise DatasetError(
                    f"'{path}' and others name several classes ({known}): say which are lesion, "
                    "with labels={0: 'lesion', 1: 'background'}."
                )
            return self.class_mask(index, None) * np.uint8(255)
        unnamed = sorted(found - self.labels.keys())
        if unnamed:
            raise DatasetError(
                f"'{path}' holds {', '.join(map(str, unnamed))}, and labels names "
                f"{', '.join(map(str, self.labels))} only. Name every class background or lesion."
            )
        lesion = {number for number, name in self.labels.items() if name == "lesion"}
        return self.class_mask(index, lesion) * np.uint8(255)

    def all_classes(self) -> set[int]:
        """The classes that any label file names; files that cannot be read name none."""
        if "_known" not in vars(self):
            known: set[int] = set()
            for index in range(len(self)):
                if self.mask_path(index) is not None:
                    try:
                        known |= self.classes(index)
                    except DatasetError:
                        continue
            self._known = known
        return self._known


class YoloDataset(OutlineDataset):
    """Images with the text files of YOLO's segmentation: a line per outline.

    `root/images/x.jpg` belongs to `root/labels/x.txt`. A line has the number of a class, then x and
    y of each corner as fractions of the image's width and height. A file without a line is an
    image without lesion; an image without a file has no mask.

    Args:
        images: Folder of the images.
        labels_folder: Folder of the text files.
        labels: As for `OutlineDataset`.

    Raises:
        DatasetError: A folder is not there or holds nothing of its kind, or two images share a
            name.
    """

    def __init__(
        self,
        images: str | os.PathLike[str],
        labels_folder: str | os.PathLike[str],
        labels: Mapping[int, str] | None = None,
    ) -> None:
        folder = Path(labels_folder)
        for place in (Path(images), folder):
            if not place.is_dir():
                raise DatasetError(f"No folder '{place}'. Expected is 'labels/x.txt' for 'x.jpg'.")
        files = list_images(images)
        texts = {name_of(path, None): path for path in folder.glob("*.txt")}
        names = [name_of(path, None) for path in files]
        pairs = [Pair(n, path, texts.get(n)) for n, path in zip(names, files, strict=True)]
        if not any(pair.mask for pair in pairs):
            raise DatasetError(
                f"No label file in '{folder}' belongs to one of the "
                f"{counted(len(files), 'image')} in '{os.fspath(images)}'. Expected is 'x.txt' for "
                "'x.jpg'."
            )
        super().__init__(pairs, labels)

    def classes(self, index: int) -> set[int]:
        """The classes that the label file of a sample names."""
        return {number for number, _ in self._outlines(index)}

    def class_mask(self, index: int, lesion: set[int] | None) -> np.ndarray:
        """Where an outline of one of the classes is (of any, if None), bool (H, W)."""
        height, width = image_size(self.image_path(index))
        mask = np.zeros((height, width), bool)
        for number, points in self._outlines(index):
            if lesion is None or number in lesion:
                mask |= polygon_runs([points * (width, height)], mask.shape).to_mask()
        return mask

    def _outlines(self, index: int) -> list[tuple[int, np.ndarray]]:
        path = self._existing_mask(index)
        outlines = []
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            for line in filter(str.strip, lines):
                number, *values = line.split()
                points = np.array(values, np.float64)
                if len(points) == 4:
                    raise ValueError(f"the line {line!r} is a box, and a box is no outline")
                if len(points) < 6 or len(points) % 2 or not np.isfinite(points).all():
                    raise ValueError(f"the line {line!r} is no class with three points or more")
                if points.min() < -0.1 or points.max() > 1.1:
                    raise ValueError(f"the line {line!r} has no fractions of width and height")
                outlines.append((int(number), points.reshape(-1, 2)))
        except (OSError, ValueError) as error:
            raise DatasetError(f"Cannot read the outlines in '{path}': {error}.") from error
        return outlines


class CocoDataset(OutlineDataset):
    """Images with COCO's annotations: polygons, or run lengths.

    Images without an annotation have no lesion. Classes are COCO's `category_id`. Where the file
    states the width and height of an image, annotations are refused for a file of another size.

    Args:
        annotations: The JSON file.
        images: Folder of the images that its `file_name` begins in; that of the JSON file, or
            `images` beside it, if None.
        labels: As for `OutlineDataset`.

    Raises:
        DatasetError: The file cannot be read, is no file of COCO's, or an image is not there.
    """

    def __init__(
        self,
        annotations: str | os.PathLike[str],
        images: str | os.PathLike[str] | None = None,
        labels: Mapping[int, str] | None = None,
    ) -> None:
        path = Path(annotations)
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            listed = {entry["id"]: entry for entry in data["images"]}
            found: dict[Path, list[dict[str, Any]]] = {}
            places = {
                number: _place(path, images, entry["file_name"]) for number, entry in listed.items()
            }
            sizes = {place: _stated_size(listed[number]) for number, place in places.items()}
            for place in places.values():
                found[place] = []
            for entry in data["annotations"]:
                found[places[entry["image_id"]]].append(
                    {"class": int(entry["category_id"]), "shape": entry["segmentation"]}
                )
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, DatasetError):
                raise
            raise DatasetError(
                f"'{path}' is no file of COCO's annotations: {type(error).__name__}: {error}."
            ) from error
        if not found:
            raise DatasetError(f"'{path}' names no images.")
        self._annotations, self._sizes = found, sizes
        super().__init__([Pair(place.stem, place, path) for place in found], labels)

    def classes(self, index: int) -> set[int]:
        """The categories of a sample's annotations."""
        return {entry["class"] for entry in self._annotations[self.image_path(index)]}

    def class_mask(self, index: int, lesion: set[int] | None) -> np.ndarray:
        """Where an annotation of one of the categories is (of any, if None), bool (H, W).

        Raises:
            DatasetError: The image has annotations and another size than the file states, or one
                of them cannot be read.
        """
        place = self.image_path(index)
        mask = np.zeros(image_size(place), bool)
        if self._annotations[place]:
            self._require_size(index, mask.shape)
        for entry in self._annotations[place]:
            if lesion is None or entry["class"] in lesion:
                mask |= _coco_mask(entry["shape"], place, mask.shape)
        return mask

    def _require_size(self, index: int, size: tuple[int, int]) -> None:
        place = self.image_path(index)
        stated = self._sizes[place]
        if stated is not None and stated != size:
            raise DatasetError(
                f"'{self.mask_path(index)}' annotates '{place}' at {stated[1]} x {stated[0]} "
                f"pixels, but read upright it is {size[1]} x {size[0]}. Give the image that was "
                "annotated, or scale the annotations (or turn them, if the image has an EXIF "
                "orientation)."
            )


def _stated_size(entry: dict[str, Any]) -> tuple[int, int] | None:
    """The height and width of an image; some programs write 0 or null for what they do not know."""
    width, height = entry.get("width"), entry.get("height")
    return (int(height), int(width)) if width and height else None


def _place(path: Path, images: str | os.PathLike[str] | None, name: str) -> Path:
    """Where the image of an annotation is."""
    folders = [Path(images)] if images is not None else [path.parent, path.parent / "images"]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise DatasetError(
        f"'{path}' names the image {name!r}, which is not in "
        f"{' or '.join(f'{str(folder)!r}' for folder in folders)}. Name the folder of the images."
    )


def _coco_mask(shape: Any, place: Path, size: tuple[int, int]) -> np.ndarray:
    try:
        if isinstance(shape, dict):
            found = decode_rle({"size": shape["size"], "counts": shape["counts"]})
            if found.shape != size:
                raise ValueError(f"its run lengths are of {found.shape}, the image is of {size}")
            return found
        if not shape:
            raise ValueError("it has no outline, and a box is none")
        mask = np.zeros(size, bool)
        for polygon in shape:
            points = flat_points(polygon)
            if len(points) < 3 or not np.isfinite(points).all():
                raise ValueError("one of its polygons has not three points or more, all numbers")
            mask |= polygon_runs([points], size).to_mask()
        return mask
    except (ValueError, TypeError, KeyError) as error:
        raise DatasetError(f"Cannot read an annotation of '{place}': {error}.") from error
