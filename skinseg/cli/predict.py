"""``skinseg predict``: masks for image files."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import skinseg
from skinseg.cli.console import (
    FAILURE,
    WRONG_USE,
    complain,
    errors_reported,
    interruption_reported,
    printable,
    say,
    stderr,
    stop,
    warnings_as_notes,
)
from skinseg.cli.cores import leave_cores_to_readers
from skinseg.cli.images import Inputs, find_images, name_clashes
from skinseg.cli.options import (
    BatchSize,
    Device,
    FillHoles,
    LargestComponent,
    Model,
    Runtime,
    Threshold,
    Tile,
    Tta,
)
from skinseg.cli.results import OutlineFormat, OutputError, ResultFolder, Row, TableFormat
from skinseg.formatting import counted
from skinseg.inference.prefetch import prefetch_map
from skinseg.interrupts import INTERRUPTED
from skinseg.progress import progress_bar

if TYPE_CHECKING:
    from skinseg.inference import Prediction, Predictor

_CLASHES_SHOWN = 5


def predict(
    images: Annotated[
        list[str], typer.Argument(help="Image files, folders, zip archives, or patterns.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")],
    model: Model = "egeunet",
    threshold: Threshold = None,
    tta: Tta = False,
    largest_component: LargestComponent = False,
    fill_holes: FillHoles = False,
    tile: Tile = None,
    batch_size: BatchSize = 8,
    runtime: Runtime = None,
    device: Device = "cpu",
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also write the image with the lesion outlined.")
    ] = False,
    probability: Annotated[
        bool, typer.Option("--probability", help="Also write the probabilities as 16-bit PNG.")
    ] = False,
    format: Annotated[
        list[OutlineFormat] | None,
        typer.Option(
            help="Also write outlines: coco (one file), geojson or labelme (one per image). "
            "May be given several times.",
        ),
    ] = None,
    table: Annotated[
        TableFormat, typer.Option(help="Format of the table of all images.")
    ] = TableFormat.csv,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Also search the folders below.")
    ] = False,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing", help="Leave out images that the folder's table and masks have."
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(help="Threads that read, and that write, images; one per core if absent."),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")
    ] = False,
) -> None:
    """Segment images: DIR/<name>_mask.png for each, and a table of all.

    Exit status: 0 if all went well, 1 if an image failed, 2 if the command is wrong, 130 if it was
    interrupted.
    """
    inputs = find_images(images, recursive=recursive, leave_out=output)
    _refuse(inputs, output)
    with errors_reported(), interruption_reported("no image was segmented."):
        predictor = skinseg.inference.Predictor(
            model,
            threshold=threshold,
            tta=tta,
            largest_component=largest_component,
            fill_holes=fill_holes,
            tile=tile,
            batch_size=batch_size,
            runtime=runtime,
            device=device,
            workers=workers,
        )
    folder = ResultFolder(output, overlay=overlay, probability=probability, outlines=format or ())
    rows = folder.rows_done(inputs.files, table) if skip_existing else {}
    left = [file for file in inputs.files if file not in rows]
    if len(left) > 1:
        leave_cores_to_readers()
    writing = "the table may be older; the same command with --skip-existing goes on from there."
    with errors_reported(), _output_errors_reported(), interruption_reported(writing):
        interrupted = _run(predictor, left, folder, rows, progress=not quiet and len(left) > 1)
        done = {file: rows[file] for file in inputs.files if file in rows}
        ordered = list(done.values())
        for argument, reason in inputs.missing.items():
            complain(reason)
            ordered.append(Row(printable(argument), error=printable(reason)))
        table_file = folder.write_table(ordered, table)
        folder.write_coco(done)
    failed = sum(row.error is not None for row in ordered)
    total = len(inputs.files) + len(inputs.missing)
    if interrupted or not quiet:
        found = f"{len(ordered) - failed} of {counted(total, 'image')} segmented"
        say(f"{found}; masks in '{output}', table in '{table_file}'")
    if interrupted:
        say("Interrupted; the same command with --skip-existing goes on from there.", stderr)
        raise typer.Exit(INTERRUPTED)
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


@contextmanager
def _output_errors_reported() -> Iterator[None]:
    try:
        yield
    except OutputError as error:
        stop(str(error), FAILURE)


def _run(
    predictor: "Predictor",
    files: list[Path],
    folder: ResultFolder,
    rows: dict[Path, Row],
    *,
    progress: bool,
) -> bool:
    """Segment files and add their rows; return whether the user has interrupted it.

    Threads read ahead of the network, and write after it.
    """

    def write(item: "tuple[Path, Prediction | Exception]") -> Row:
        return _row(*item, folder)

    results = zip(files, predictor.stream(files, return_exceptions=True), strict=True)
    written = prefetch_map(write, results, ahead=2 * predictor.workers, workers=predictor.workers)
    with progress_bar(shown=progress, console=stderr) as bar, warnings_as_notes():
        task = bar.add_task("segmenting", total=len(files))
        try:
            with closing(written):
                for file, row in zip(files, written, strict=True):
                    rows[file] = row
                    if row.error is not None:
                        complain(row.error)
                    bar.advance(task)
        except KeyboardInterrupt:
            return True
    return False


def _row(file: Path, result: "Prediction | Exception", folder: ResultFolder) -> Row:
    try:
        if isinstance(result, Exception):
            raise result
        return folder.write(file, result)
    except skinseg.data.ImageError as error:
        return Row(printable(str(file)), error=printable(str(error)))
