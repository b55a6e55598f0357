"""What is written of many images: pictures while it goes on, a table at the end."""

from __future__ import annotations

import dataclasses
import enum
import errno
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import skinseg
from skinseg.batch.shard import Shard
from skinseg.csv_files import write_csv
from skinseg.files import write_json
from skinseg.formatting import printable
from skinseg.locations import Location, joined, name_key, names_in, path_of

if TYPE_CHECKING:
    import numpy as np

    from skinseg.data import RunLengths
    from skinseg.inference import Prediction


class TableFormat(str, enum.Enum):
    """File format of the table."""

    csv = "csv"
    json = "json"


class OutlineFormat(str, enum.Enum):
    """Formats of other programs that outlines are written in."""

    coco = "coco"
    geojson = "geojson"
    labelme = "labelme"


# What follows the image's name in a file of its own; COCO has one file for all.
_OUTLINE_SUFFIXES = {OutlineFormat.geojson: ".geojson", OutlineFormat.labelme: ".json"}
_COCO = "predictions_coco"


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One image's line in the table; what an image that failed has not is None."""

    file: str
    mask_file: str | None = None
    width: int | None = None
    height: int | None = None
    area_fraction: float | None = None
    box_x: int | None = None
    box_y: int | None = None
    box_width: int | None = None
    box_height: int | None = None
    components: int | None = None
    confidence: float | None = None
    error: str | None = None


class OutputError(Exception):
    """A result cannot be written; the message names the file and a remedy."""


class ResultFolder:
    """The folder of the results.

    Args:
        path: A path or a URL; the folder must exist where the file system has folders.
        overlay: Also write the image with the lesion's outline.
        probability: Also write the probability map.
        outlines: Formats of other programs to write as well.
        shard: Which job it is, of several that share the images and this folder.
    """

    def __init__(
        self,
        path: Location,
        *,
        overlay: bool = False,
        probability: bool = False,
        outlines: Sequence[OutlineFormat] = (),
        shard: Shard | None = None,
    ) -> None:
        self.path = path
        self.outlines = tuple(outlines)
        self.overlay = overlay
        self.probability = probability
        self.shard = shard

    def write(self, file: Location, prediction: Prediction) -> Row:
        """Write one image's pictures; may be called by several threads at once.

        Raises:
            ImageError: If the image of an overlay is not there any more, and nothing is written; or
                if the file system takes no name as long as a picture's.
            OutputError: If a picture cannot be written.
        """
        overlay = prediction.overlay(file) if self.overlay else None
        mask = mask_name(file)
        self._write_png(mask, prediction.run_lengths)
        if overlay is not None:
            self._write_png(_picture(file, "overlay"), overlay)
        if self.probability:
            levels = (prediction.probability * 65535).round().astype("uint16")
            self._write_png(_picture(file, "probability"), levels)
        self._write_outlines(file, prediction)
        height, width = prediction.size
        x, y, box_width, box_height = prediction.bounding_box or (None,) * 4
        return Row(
            printable(str(file)),
            printable(mask),
            width,
            height,
            area_fraction=round(prediction.area_fraction, 6),
            box_x=x,
            box_y=y,
            box_width=box_width,
            box_height=box_height,
            components=prediction.components,
            confidence=round(prediction.confidence, 6),
        )

    def complete(self, files: Sequence[Location]) -> list[bool]:
        """Tell of each image whether all its pictures and outlines are there.

        Raises:
            OSError: If the folder cannot be listed.
        """
        there = names_in(self.path)
        return [there.issuperset(self._names_of(file)) for file in files]

    def taken_names(self, files: Sequence[Location], table: TableFormat) -> list[str]:
        """Tell which images would get a file with the name of one of all images.

        Returns:
            A sentence for each; none if all is well.
        """
        # Each job writes a table of its own, and may get any of the images.
        shards: list[Shard | None] = [None]
        if self.shard is not None:
            count = self.shard.count
            shards = [Shard(index, count) for index in range(1, count + 1)]
        whole = {_of_all("predictions", table.value, shard): "the table" for shard in shards}
        if OutlineFormat.coco in self.outlines:
            whole |= {_of_all(_COCO, "json", shard): "the COCO file" for shard in shards}
        taken = {name_key(name, self.path): what for name, what in whole.items()}
        return [
            f"'{file}' would be written as '{name}', which is the name of {taken[key]} of all "
            "images; rename the image."
            for file in files
            for name in self._names_of(file)
            if (key := name_key(name, self.path)) in taken
        ]

    def _names_of(self, file: Location) -> list[str]:
        """Names of the files that an image has of its own."""
        kinds = ["mask"] + ["overlay"] * self.overlay + ["probability"] * self.probability
        formats = [format for format in self.outlines if format in _OUTLINE_SUFFIXES]
        return [_picture(file, kind) for kind in kinds] + [_outline(file, f) for f in formats]

    def _write_outlines(self, file: Location, prediction: Prediction) -> None:
        """Write the files that each image has of its own."""
        from skinseg.inference import outline_files

        name = printable(path_of(file).name)
        polygons = prediction.polygons() if _OUTLINE_SUFFIXES.keys() & set(self.outlines) else []
        if OutlineFormat.geojson in self.outlines:
            figures = {"confidence": round(prediction.confidence, 6)}
            data = outline_files.geojson(name, polygons, figures)
            self._write_json(_outline(file, OutlineFormat.geojson), data)
        if OutlineFormat.labelme in self.outlines:
            data = outline_files.labelme(name, polygons, prediction.size)
            self._write_json(_outline(file, OutlineFormat.labelme), data)

    def write_coco(self, rows: Mapping[Location, Row]) -> None:
        """Write COCO's annotations of the images whose masks are there, if they were asked for.

        Raises:
            OutputError: If it cannot be written.
        """
        from skinseg.inference import outline_files

        if OutlineFormat.coco not in self.outlines:
            return
        # From the files: what an earlier run has segmented belongs to it, too.
        images = (
            (
                printable(path_of(file).name),
                skinseg.data.read_mask(joined(self.path, mask_name(file))),
                row.confidence or 0.0,
            )
            for file, row in rows.items()
            if row.error is None
        )
        self._write_json(_of_all(_COCO, "json", self.shard), outline_files.coco(images))

    def write_table(self, rows: Sequence[Row], table: TableFormat) -> Location:
        """Write ``predictions.csv`` or ``predictions.json`` and return its location.

        Raises:
            OutputError: If it cannot be written.
        """
        place = joined(self.path, _of_all("predictions", table.value, self.shard))
        try:
            if table is TableFormat.json:
                write_json(place, [dataclasses.asdict(row) for row in rows])
            else:
                columns = [field.name for field in dataclasses.fields(Row)]
                write_csv(place, columns, map(dataclasses.asdict, rows))
        except OSError as error:
            raise OutputError(f"cannot write '{place}': {error.strerror}.") from error
        return place

    def _write_png(self, name: str, picture: np.ndarray | RunLengths) -> None:
        try:
            skinseg.data.write_png(joined(self.path, name), picture)
        except skinseg.data.ImageError as error:
            raise _of_one_or_all(name, error.__cause__, str(error)) from error

    def _write_json(self, name: str, data: Any) -> None:
        place = joined(self.path, name)
        try:
            write_json(place, data)
        except OSError as error:
            message = f"cannot write '{place}': {error.strerror}."
            raise _of_one_or_all(name, error, message) from error


def _of_one_or_all(name: str, cause: BaseException | None, message: str) -> Exception:
    """What kept a file from being written: its own name, or what keeps all files from it."""
    if isinstance(cause, OSError) and cause.errno == errno.ENAMETOOLONG:
        return skinseg.data.ImageError(
            f"Cannot write '{name}': the name is too long for the file system. Give the image a "
            "shorter one."
        )
    return OutputError(message)


def _of_all(stem: str, suffix: str, shard: Shard | None) -> str:
    """Name of a file about all images of a job."""
    return f"{stem}{shard.suffix if shard else ''}.{suffix}"


def mask_name(file: Location) -> str:
    """Return the name of an image's mask in the folder of the results."""
    return _picture(file, "mask")


def _picture(file: Location, kind: str) -> str:
    return f"{path_of(file).stem}_{kind}.png"


def _outline(file: Location, format: OutlineFormat) -> str:
    return f"{path_of(file).stem}{_OUTLINE_SUFFIXES[format]}"
