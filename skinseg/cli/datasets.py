"""``skinseg check`` and ``skinseg synth``: folders of images and masks."""

from pathlib import Path
from typing import Annotated

import typer

import skinseg
from skinseg.cli.console import FAILURE, errors_reported, say, stderr, stop
from skinseg.progress import progress_bar


def check(
    folder: Annotated[Path, typer.Argument(help="Folder with images/ and masks/.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Find what is wrong in a folder of images and masks before training on it.

    Exit status: 0 if they can be trained on, 1 if not, 2 if there are none.
    """
    with errors_reported():
        report = skinseg.data.check_dataset(skinseg.data.FolderDataset(folder), progress=not quiet)
    say(report.summary())
    if not report.ok:
        raise typer.Exit(FAILURE)


def synth(
    folder: Annotated[Path, typer.Argument(help="Where images/ and masks/ are written.")],
    count: Annotated[int, typer.Option(min=1, help="Number of pictures.")] = 100,
    size: Annotated[int, typer.Option(min=32, help="Side of the square pictures.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="First picture; others follow.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Write synthetic dermoscopy pictures with exact masks, to try things out."""
    images, masks = folder / "images", folder / "masks"
    try:
        for place in (images, masks):
            place.mkdir(parents=True, exist_ok=True)
        with progress_bar(shown=not quiet, console=stderr) as bar:
            dataset = skinseg.data.SyntheticDermoscopy(count, size, seed)
            for sample in bar.track(dataset, count, description="drawing"):
                skinseg.data.write_png(images / f"{sample.id}.png", sample.image)
                skinseg.data.write_png(masks / f"{sample.id}.png", sample.mask)
    except OSError as error:
        stop(f"cannot write to '{folder}': {error.strerror}. Choose another folder.", FAILURE)
    except skinseg.data.ImageError as error:
        stop(str(error), FAILURE)
    if not quiet:
        say(f"{count} pictures in '{images}', their masks in '{masks}'")
