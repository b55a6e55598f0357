"""``skinseg check`` and ``skinseg synth``: folders of images and masks."""

from pathlib import Path
from typing import Annotated

import typer

import skinseg
from skinseg.cli.console import (
    FAILURE,
    errors_reported,
    interruption_reported,
    say,
    say_json,
    stderr,
    stop,
)
from skinseg.cli.options import AnyLabel, AsJson, Labels, Masks, parsed_labels
from skinseg.cli.wording import in_options
from skinseg.formatting import counted
from skinseg.interrupts import INTERRUPTED
from skinseg.progress import progress_bar


def check(
    data: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER",
            help="Folder or zip with images/ and masks/; or isic2017:DIR:SPLIT, ph2:DIR, as "
            "in evaluate.",
        ),
    ],
    masks: Masks = None,
    labels: Labels = None,
    any_label: AnyLabel = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if anything is broken, as train --strict does.")
    ] = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Find what is wrong in a folder of images and masks before training on it.

    Exit status: 0 if `skinseg train` would take it, and leave out what is broken; 1 if it would
    refuse it, or, with --strict, if anything is broken; 2 if there is no such folder.
    """
    with errors_reported(), interruption_reported("check changes no file."):
        dataset = skinseg.data.open_dataset(
            data, masks=masks, labels=parsed_labels(labels), any_label=any_label
        )
        report, refusal = skinseg.planning.check_for_training(
            dataset, strict=strict, progress=not quiet
        )
    if as_json:
        findings = [
            {
                **found,
                "message": in_options(found["message"]),
                "remedy": in_options(found["remedy"]),
            }
            for found in report.to_dict()["findings"]
        ]
        refused = None if refusal is None else in_options(refusal)
        say_json({**report.to_dict(), "findings": findings, "refusal": refused})
    else:
        say(in_options(report.summary()))
    if refusal is not None:
        stop(f"skinseg train would refuse this. {refusal}", FAILURE)
    if not report.ok and not as_json:
        say("skinseg train leaves out what is broken; --strict makes that an error.")


def synth(
    folder: Annotated[Path, typer.Argument(help="Where images/ and masks/ are written.")],
    count: Annotated[int, typer.Option(min=1, help="Number of pictures.")] = 100,
    size: Annotated[int, typer.Option(min=32, help="Side of the square pictures.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="First picture; others follow.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Write synthetic dermoscopy pictures with exact masks, to try things out."""
    images, masks = folder / "images", folder / "masks"
    written = 0
    try:
        for place in (images, masks):
            place.mkdir(parents=True, exist_ok=True)
        with progress_bar(shown=not quiet, console=stderr) as bar:
            dataset = skinseg.data.SyntheticDermoscopy(count, size, seed)
            for sample in bar.track(dataset, count, description="drawing"):
                # The image last: there is none without its mask if this is interrupted.
                skinseg.data.write_png(masks / f"{sample.id}.png", sample.mask)
                skinseg.data.write_png(images / f"{sample.id}.png", sample.image)
                written += 1
    except KeyboardInterrupt:
        kept = f"of {counted(count, 'picture')}, {written} in '{images}', the masks in '{masks}'"
        stop(f"interrupted; {kept}. The same command draws them all again.", INTERRUPTED)
    except OSError as error:
        stop(f"cannot write to '{folder}': {error.strerror}. Choose another folder.", FAILURE)
    except skinseg.data.ImageError as error:
        stop(str(error), FAILURE)
    if not quiet:
        say(f"{counted(count, 'picture')} in '{images}', with masks in '{masks}'")
