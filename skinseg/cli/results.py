"""What ``skinseg predict`` writes: pictures while it goes on, a table at the end."""

import csv
import dataclasses
import enum
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import skinseg
from skinseg.cli.console import FAILURE, make_output_folder, printable, stop
from skinseg.files import write_atomically, write_json

if TYPE_CHECKING:
    from skinseg.inference import Prediction


class TableFormat(str, enum.Enum):
    """File format of the table."""

    csv = "csv"
    json = "json"


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


class ResultFolder:
    """The output folder.

    Args:
        path: Made if it does not exist.
        overlay: Also write the image with the lesion's outline.
        probability: Also write the probability map.
    """

    def __init__(self, path: Path, *, overlay: bool, probability: bool) -> None:
        self.path = path
        self.overlay = overlay
        self.probability = probability
        make_output_folder(path)

    def write(self, file: Path, prediction: "Prediction") -> Row:
        """Write one image's pictures.

        Raises:
            ImageError: If the image of an overlay is not there any more; nothing is written then.
        """
        overlay = prediction.overlay(file) if self.overlay else None
        mask = f"{file.stem}_mask.png"
        self._write_png(mask, prediction.mask)
        if overlay is not None:
            self._write_png(f"{file.stem}_overlay.png", overlay)
        if self.probability:
            levels = (prediction.probability * 65535).round().astype("uint16")
            self._write_png(f"{file.stem}_probability.png", levels)
        height, width = prediction.mask.shape
        return Row(
            printable(str(file)),
            printable(mask),
            width,
            height,
            round(prediction.area_fraction, 6),
            *(prediction.bounding_box or (None,) * 4),
            components=prediction.components,
            confidence=round(prediction.confidence, 6),
        )

    def _write_png(self, name: str, array: object) -> None:

        try:
            skinseg.data.write_png(self.path / name, array)
        except skinseg.data.ImageError as error:
            stop(str(error), FAILURE)

    def write_table(self, rows: list[Row], table: TableFormat) -> Path:
        """Write ``predictions.csv`` or ``predictions.json`` and return its path."""
        path = self.path / f"predictions.{table.value}"
        try:
            if table is TableFormat.json:
                write_json(path, [dataclasses.asdict(row) for row in rows])
            else:
                write_atomically(path, lambda temporary: _write_csv(temporary, rows))
        except OSError as error:
            stop(f"cannot write '{path}': {error.strerror}.", FAILURE)
        return path


def _write_csv(path: Path, rows: list[Row]) -> None:
    file: TextIO
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in dataclasses.fields(Row)])
        writer.writeheader()
        writer.writerows(dataclasses.asdict(row) for row in rows)
