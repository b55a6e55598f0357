"""``skinseg predict``: masks for image files."""

import dataclasses
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Annotated, Any

import typer

import skinseg
from skinseg.batch.inputs import Inputs, find_images, name_clashes
from skinseg.batch.manifest import Manifest
from skinseg.batch.results import OutlineFormat, OutputError, ResultFolder, Row, TableFormat
from skinseg.batch.shard import Shard
from skinseg.cli.console import (
    FAILURE,
    WRONG_USE,
    complain,
    errors_reported,
    interruption_reported,
    make_output_folder,
    say,
    stderr,
    stop,
    warnings_as_notes,
)
from skinseg.cli.cores import leave_cores_to_readers
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
from skinseg.cli.wording import in_options
from skinseg.files import remove_abandoned
from skinseg.formatting import counted, printable
from skinseg.interrupts import INTERRUPTED
from skinseg.locations import Location, as_location, is_url
from skinseg.progress import progress_bar

_CLASHES_SHOWN = 5


def predict(
    images: Annotated[
        list[str],
        typer.Argument(
            help="Image files, folders, zip archives, patterns, lists (.txt, .csv), or URLs as "
            "s3://bucket/photos."
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder for the results; may be a URL.")
    ],
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
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Do images again that the output folder has already."),
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            help="As one of several jobs, predict a part of the images: 2/4 is the second of four."
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Spread over a Ray cluster: auto for the one that runs here, local to start one.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Threads that read, and that write, images; one per core if absent."),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")
    ] = False,
) -> None:
    """Segment images: DIR/<name>_mask.png for each, and a table of all.

    Started again, it goes on where it stopped: images that are done are not done again.

    Exit status: 0 if all went well, 1 if an image failed, 2 if the command is wrong, 130 if it was
    interrupted.
    """
    with errors_reported():
        part = None if shard is None else Shard.parse(shard)
    place = as_location(output)
    inputs = find_images(images, recursive=recursive, leave_out=place)
    folder = ResultFolder(
        place, overlay=overlay, probability=probability, outlines=format or (), shard=part
    )
    _refuse(inputs, folder, table, overwrite=overwrite)
    files = inputs.files if part is None else part.of(inputs.files)
    options: dict[str, Any] = dict(
        model=model,
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
    with errors_reported(), interruption_reported("no image was segmented."):
        # The nodes of a cluster have the device; here the network is only looked at.
        predictor = skinseg.Predictor(**{**options, "device": device if ray is None else "cpu"})
        if ray is not None:
            from skinseg.batch.on_ray import ray_module

            ray_module()  # Where it is missing, no empty folder is left.
        make_output_folder(place)
        remove_abandoned(place)
        if overwrite:
            Manifest.discard(place)
        manifest = Manifest(place, skinseg.batch.prediction_settings(predictor), part)
        manifest.refuse_to_replace(files)
    going_on = "the table may be older; the same command goes on from there."
    with errors_reported(), _output_errors_reported(), interruption_reported(going_on), manifest:
        rows = _rows_done(files, folder, manifest)
        left = [file for file in files if file not in rows]
        manifest.begin(left)
        if ray is not None:
            results = skinseg.batch.segment_on_ray(left, folder, options, address=ray)
        else:
            if len(left) > 1:
                leave_cores_to_readers()
            results = skinseg.batch.segment(predictor, left, folder)
        shown = not quiet and len(left) > 1
        interrupted = _run(results, len(left), manifest, rows, progress=shown)
        done = {file: rows[file] for file in files if file in rows}
        ordered = list(done.values())
        for argument, reason in inputs.missing.items():
            complain(reason)
            ordered.append(Row(printable(argument), error=printable(in_options(reason))))
        table_file = folder.write_table(ordered, table)
        folder.write_coco(done)
    failed = sum(row.error is not None for row in ordered)
    total = len(files) + len(inputs.missing)
    if interrupted or not quiet:
        found = f"{len(ordered) - failed} of {counted(total, 'image')} segmented"
        say(f"{found}; masks in '{place}', table in '{table_file}'")
    if interrupted:
        say("Interrupted; the same command goes on from there.", stderr)
        raise typer.Exit(INTERRUPTED)
    if failed:
        raise typer.Exit(FAILURE)


def _refuse(inputs: Inputs, folder: ResultFolder, table: TableFormat, *, overwrite: bool) -> None:
    """End where there is nothing to do, or where results would overwrite something."""
    output = folder.path
    if overwrite and folder.shard is not None:
        stop(
            "--overwrite and --shard exclude each other, as a job that starts late would do again "
            "what others have done. Name another folder, or remove this one first."
        )
    if is_url(output) and "::" in output:
        stop(f"results cannot be written into an archive such as '{output}'. Name a folder.")
    if not inputs.files:
        for reason in inputs.missing.values():
            complain(reason)
        stop("no image found.", WRONG_USE)
    if taken := folder.taken_names(inputs.files, table):
        stop("\n".join(taken), WRONG_USE)
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


def _rows_done(
    files: list[Location], folder: ResultFolder, manifest: Manifest
) -> dict[Location, Row]:
    """The rows of images that are done and have all pictures that are asked for now."""
    there = zip(files, folder.complete(files), strict=True)
    found = {file: manifest.find(file) for file, complete in there if complete}
    # As the image is named now, from whichever folder it was segmented.
    return {
        file: dataclasses.replace(row, file=printable(str(file)))
        for file, row in found.items()
        if row is not None
    }


def _run(
    results: Generator[tuple[Location, Row], None, None],
    total: int,
    manifest: Manifest,
    rows: dict[Location, Row],
    *,
    progress: bool,
) -> bool:
    """Note what is done and add its rows; return whether the user has interrupted it."""
    with progress_bar(shown=progress, console=stderr) as bar, warnings_as_notes():
        task = bar.add_task("segmenting", total=total)
        try:
            with closing(results):
                for file, row in results:
                    rows[file] = row
                    if row.error is None:
                        manifest.note(file, row)
                    else:
                        complain(row.error)
                    bar.advance(task)
        except KeyboardInterrupt:
            return True
    return False
