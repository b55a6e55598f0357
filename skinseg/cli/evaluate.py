"""``skinseg evaluate``: a network's masks scored on images with masks."""

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import skinseg
from skinseg.cli.console import (
    FAILURE,
    errors_reported,
    interruption_reported,
    make_output_folder,
    say,
    say_json,
    stop,
)
from skinseg.cli.options import (
    AnyLabel,
    AsJson,
    BatchSize,
    Device,
    FillHoles,
    Labels,
    LargestComponent,
    Masks,
    Model,
    Runtime,
    Threshold,
    Tile,
    Tta,
    parsed_labels,
)
from skinseg.cli.tables import show_table
from skinseg.formatting import counted, printable

if TYPE_CHECKING:
    from skinseg.evaluation import EvaluationResult


class ScoredSize(str, enum.Enum):
    """Sizes that images are scored at."""

    both = "both"
    own = "own"
    model = "model"


def evaluate(
    data: Annotated[
        str,
        typer.Option(
            help="Folder or zip with images/ and masks/; or isic2016:DIR:SPLIT, isic2017:..., "
            "isic2018:... with train, val, test or train+val; or ph2:DIR."
        ),
    ],
    model: Model = "egeunet",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for evaluation.json, evaluation.md, gallery.html, per_image.csv.",
        ),
    ] = None,
    masks: Masks = None,
    split_file: Annotated[
        Path | None, typer.Option(help="Text file with one id per line: these images alone.")
    ] = None,
    labels: Labels = None,
    any_label: AnyLabel = False,
    size: Annotated[
        ScoredSize, typer.Option(help="At the images' own size, the network's, or both.")
    ] = ScoredSize.both,
    threshold: Threshold = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0, help="Tolerance of the surface Dice in pixels; 1 % of the diagonal if absent."
        ),
    ] = None,
    tta: Tta = False,
    largest_component: LargestComponent = False,
    fill_holes: FillHoles = False,
    tile: Tile = None,
    batch_size: BatchSize = 8,
    runtime: Runtime = None,
    device: Device = "cpu",
    bootstrap: Annotated[
        int, typer.Option(min=0, help="Resamples that 95 % intervals come from; 0 for none.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for the resampling.")] = 0,
    gallery: Annotated[
        int, typer.Option(min=0, help="Best, median and worst cases to show, of each.")
    ] = 4,
    as_json: AsJson = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="No progress bar; with --output, no tables either."),
    ] = False,
) -> None:
    """Score a network's masks against true ones: per image and pooled, with intervals.

    Exit status: 0 if all images were scored, 1 if a file or the device failed, 2 if the command
    is wrong, 130 if it was interrupted.
    """
    sizes: tuple[str, ...] = skinseg.evaluation.SIZES if size is ScoredSize.both else (size.value,)
    if tile is not None:
        if size is ScoredSize.model:
            stop("--tile is for images at their own size; leave --size model out.")
        sizes = ("own",)
    scoring = "a part of the images gives no scores, and nothing was written."
    with errors_reported(), interruption_reported(scoring):
        dataset = skinseg.data.open_dataset(
            data,
            masks=masks,
            split_file=split_file,
            labels=parsed_labels(labels),
            any_label=any_label,
        )
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
        )
        # Before the images are scored, and after what a wrong command ends with.
        if output is not None:
            make_output_folder(output)
        try:
            result = skinseg.evaluation.evaluate(
                predictor,
                dataset,
                sizes=sizes,
                tolerance=tolerance,
                bootstrap=bootstrap,
                seed=seed,
                model=printable(model),
                data=printable(data if split_file is None else f"{data}, {split_file}"),
                progress=not quiet,
            )
        except skinseg.data.ImageError as error:
            stop(str(error), FAILURE)
    files = []
    writing = f"the report in '{output}' is incomplete or older; the same command writes it again."
    with errors_reported(), interruption_reported(writing):
        if output is not None:
            pictures = skinseg.reports.draw_gallery(predictor, dataset, result, gallery)
            files = skinseg.reports.write_evaluation_report(result, output, pictures)
    if as_json:
        say_json(result.to_dict())
        return
    # Scores that are written nowhere are what the command was called for.
    if not quiet or not files:
        _show(result)
    if files and not quiet:
        say(f"Written: {', '.join(map(str, files))}")


def _show(result: "EvaluationResult") -> None:
    say(f"{result.model} on {result.data}: {counted(result.images, 'image')}")
    for table in skinseg.reports.evaluation_tables(result):
        show_table(table.header, table.rows, title=table.title)
