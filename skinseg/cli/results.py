"""What ``skinseg predict`` writes: pictures while it goes on, a table at the end."""

from __future__ import annotations

import csv
import dataclasses
import enum
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import skinseg
from skinseg.cli.console import make_output_folder, printable
from skinseg.csv_files import unguarded, write_csv
from skinseg.files import write_json

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
COCO_NAME = "predictions_coco.json"


@dataclasses.dataclass(frozen=True)
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
    """The output folder.

    Args:
        path: Made if it does not exist.
        overlay: Also write the image with the lesion's outline.
        probability: Also write the probability map.
        outlines: Formats of other programs to write as well.
    """

    def __init__(
        self,
        path: Path,
        *,
        overlay: bool,
        probability: bool,
        outlines: Sequence[OutlineFormat] = (),
    ) -> None:
        self.path = path
        self.outlines = outlines
        self.overlay = overlay
        self.probability = probability
        make_output_folder(path)

    def write(self, file: Path, prediction: Prediction) -> Row:
        """Write one image's pictures; may be called by several threads at once.

        Raises:
            ImageError: If the image of an overlay is not there any more; nothing is written then.
            OutputError: If a picture cannot be written.
        """
        overlay = prediction.overlay(file) if self.overlay else None
        mask = self._picture(file, "mask")
        self._write_png(mask, prediction.run_lengths)
        if overlay is not None:
            self._write_png(self._picture(file, "overlay"), overlay)
        if self.probability:
            levels = (prediction.probability * 65535).round().astype("uint16")
            self._write_png(self._picture(file, "probability"), levels)
        self._write_outlines(file, prediction)
        height, width = prediction.size
        x, y, box_width, box_height = prediction.bounding_box or (None,) * 4
        return Row(
            printable(str(file)),
            printable(mask.name),
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

    def _picture(self, file: Path, kind: str) -> Path:
        return self.path / f"{file.stem}_{kind}.png"

    def _has_pictures(self, file: Path) -> bool:
        kinds = ["mask"] + ["overlay"] * self.overlay + ["probability"] * self.probability
        outlines = [self._outline(file, f) for f in self.outlines if f in _OUTLINE_SUFFIXES]
        pictures = [self._picture(file, kind) for kind in kinds]
        return all(path.is_file() for path in (*pictures, *outlines))

    def _outline(self, file: Path, format: OutlineFormat) -> Path:
        return self.path / f"{file.stem}{_OUTLINE_SUFFIXES[format]}"

    def _write_outlines(self, file: Path, prediction: Prediction) -> None:
        """Write the files that each image has of its own."""
        from skinseg.inference import outline_files

        name = printable(file.name)
        polygons = prediction.polygons() if _OUTLINE_SUFFIXES.keys() & set(self.outlines) else []
        if OutlineFormat.geojson in self.outlines:
            figures = {"confidence": round(prediction.confidence, 6)}
            data = outline_files.geojson(name, polygons, figures)
            _write_json(self._outline(file, OutlineFormat.geojson), data)
        if OutlineFormat.labelme in self.outlines:
            data = outline_files.labelme(name, polygons, prediction.size)
            _write_json(self._outline(file, OutlineFormat.labelme), data)

    def write_coco(self, rows: Mapping[Path, Row]) -> None:
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
                printable(file.name),
                skinseg.data.read_mask(self._picture(file, "mask")),
                row.confidence or 0.0,
            )
            for file, row in rows.items()
            if row.error is None
        )
        _write_json(self.path / COCO_NAME, outline_files.coco(images))

    def _write_png(self, path: Path, picture: np.ndarray | RunLengths) -> None:
        try:
            skinseg.data.write_png(path, picture)
        except skinseg.data.ImageError as error:
            raise OutputError(str(error)) from error

    def rows_done(self, files: list[Path], table: TableFormat) -> dict[Path, Row]:
        """Return the rows of the images that an earlier run has segmented and noted in its table.

        An image counts if all its pictures are there. A table that cannot be read has no rows.
        """
        rows = _read_rows(self._table(table), table)
        known = {row.file: row for row in rows if row.error is None}
        return {
            file: known[str(file)]
            for file in files
            if str(file) in known and self._has_pictures(file)
        }

    def write_table(self, rows: list[Row], table: TableFormat) -> Path:
        """Write ``predictions.csv`` or ``predictions.json`` and return its path.

        Raises:
            OutputError: If it cannot be written.
        """
        path = self._table(table)
        try:
            if table is TableFormat.json:
                write_json(path, [dataclasses.asdict(row) for row in rows])
            else:
                columns = [field.name for field in dataclasses.fields(Row)]
                write_csv(path, columns, map(dataclasses.asdict, rows))
        except OSError as error:
            raise OutputError(f"cannot write '{path}': {error.strerror}.") from error
        return path

    def _table(self, table: TableFormat) -> Path:
        return self.path / f"predictions.{table.value}"


def _write_json(path: Path, data: Any) -> None:
    try:
        write_json(path, data)
    except OSError as error:
        raise OutputError(f"cannot write '{path}': {error.strerror}.") from error


def _read_rows(path: Path, table: TableFormat) -> list[Row]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            if table is TableFormat.json:
                return [Row(**cells) for cells in json.load(file)]
            return [_row_of_text(cells) for cells in csv.DictReader(file)]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _row_of_text(cells: Mapping[str, str]) -> Row:
    """A row of a CSV table, where numbers are text and nothing is empty."""
    values: dict[str, Any] = {name: text or None for name, text in cells.items()}
    for field in dataclasses.fields(Row):
        kind = {"int | None": int, "float | None": float}.get(str(field.type), str)
        text = values[field.name]
        if text is not None:
            values[field.name] = unguarded(text) if kind is str else kind(text)
    return Row(**values)
