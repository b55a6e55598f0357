"""``skinseg predict``: masks for image files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import skinseg
from skinseg.cli.console import (
    FAILURE,
    WRONG_USE,
    complain,
    errors_reported,
    printable,
    say,
    stderr,
    stop,
    warnings_as_notes,
)
from skinseg.cli.images import Inputs, find_images, name_clashes
from skinseg.cli.options import BatchSize, Device, Model, Threshold, Tta
from skinseg.cli.results import ResultFolder, Row, TableFormat
from skinseg.progress import progress_bar

if TYPE_CHECKING:
    from skinseg.inference import Prediction, Predictor

_CLASHES_SHOWN = 5


def predict(
    images: Annotated[list[str], typer.Argument(help="Image files, folders, or patterns.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")],
    model: Model = "egeunet",
    threshold: Threshold = None,
    tta: Tta = False,
    batch_size: BatchSize = 8,
    device: Device = "cpu",
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also write the image with the lesion outlined.")
    ] = False,
    probability: Annotated[
        bool, typer.Option("--probability", help="Also write the probabilities as 16-bit PNG.")
    ] = False,
    table: Annotated[
        TableFormat, typer.Option(help="Format of the table of all images.")
    ] = TableFormat.csv,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Also search the folders below.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")
    ] = False,
) -> None:
    """Segment images: DIR/<name>_mask.png for each, and a table of all.

    Exit status: 0 if all went well, 1 if an image failed, 2 if the command is wrong.
    """
    inputs = find_images(images, recursive=recursive, leave_out=output)
    _refuse(inputs, output)
    predictor = _predictor(model, threshold, tta, batch_size, device)
    folder = ResultFolder(output, overlay=overlay, probability=probability)
    rows = _run(predictor, inputs.files, folder, progress=not quiet and len(inputs.files) > 1)
    for argument, reason in inputs.missing.items():
        complain(reason)
        rows.append(Row(printable(argument), error=printable(reason)))
    table_file = folder.write_table(rows, table)
    failed = sum(row.error is not None for row in rows)
    if not quiet:
        done = f"{len(rows) - failed} of {len(rows)} images segmented"
        say(f"{done}; masks in '{output}', table in '{table_file}'")
    if failed:
        raise typer.Exit(FAILURE)


def _refuse(inputs: Inputs, output: Path) -> None:
    """End where there is nothing to do, or where results would overwrite something."""
    if not inputs.files:
        for reason in inputs.missing.values():
            complain(reason)
        stop("no image found.", WRONG_USE)
    clashes = name_clashes(inputs.files, output)
    if clashes:
        more = len(clashes) - _CLASHES_SHOWN
        lines = clashes[:_CLASHES_SHOWN] + ([f"... and {more} more."] if more > 0 else [])
        stop("\n".join([*lines, "Predict them apart, into another output folder."]), WRONG_USE)


def _predictor(
    model: str, threshold: float | None, tta: bool, batch_size: int, device: str
) -> "Predictor":

    with errors_reported():
        return skinseg.inference.Predictor(
            model, threshold=threshold, tta=tta, batch_size=batch_size, device=device
        )


def _run(
    predictor: "Predictor", files: list[Path], folder: ResultFolder, *, progress: bool
) -> list[Row]:
    rows = []
    results = predictor.stream(files, return_exceptions=True)
    with (
        errors_reported(),
        progress_bar(shown=progress, console=stderr) as bar,
        warnings_as_notes(),
    ):
        task = bar.add_task("segmenting", total=len(files))
        for file, result in zip(files, results, strict=True):
            rows.append(_row(file, result, folder))
            bar.advance(task)
    return rows


def _row(file: Path, result: "Prediction | Exception", folder: ResultFolder) -> Row:

    try:
        if isinstance(result, Exception):
            raise result
        return folder.write(file, result)
    except skinseg.data.ImageError as error:
        complain(str(error))
        return Row(printable(str(file)), error=printable(str(error)))
