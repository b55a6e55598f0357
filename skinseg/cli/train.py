"""``skinseg train``: a network of one's own from a folder of images and masks."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skinseg.cli.console import faults_reported, say, stop

if TYPE_CHECKING:
    from skinseg.data import SegmentationDataset

_STOPPED = 130  # As a shell reports a command that Ctrl-C ended.


def train(
    data: Annotated[Path, typer.Option(help="Folder with images/ and masks/.")],
    model: Annotated[str, typer.Option("--model", "-m", help="Network: arch.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.")],
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.")] = None,
    size: Annotated[int | None, typer.Option(help="Side that images are resized to.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of AdamW, at the start.")] = None,
    seed: Annotated[int, typer.Option(help="Of split, first weights and augmentation.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, ...")] = "cpu",
    val_fraction: Annotated[
        float, typer.Option(help="Share of the images that chooses the best epoch.")
    ] = 0.2,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the output folder.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Train a network on your own images and masks.

    The images are checked first. What is not given is as in the reference recipe.
    """
    import torch

    import skinseg
    from skinseg.inference import usable_device
    from skinseg.training import Recipe
    from skinseg.training import train as run

    given = {
        "epochs": epochs,
        "size": size,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
    }
    with faults_reported():
        recipe = Recipe(seed=seed, **{k: v for k, v in given.items() if v is not None})
        usable_device(device)
        if output.exists() and not output.is_dir():
            stop(f"'{output}' is a file; the output of a run is a folder.")
        torch.manual_seed(seed)
        network = skinseg.create_model(model)
        train_set, val_set = _split(data, val_fraction, seed, progress=not quiet)
        try:
            log = run(
                network,
                train_set,
                val_set,
                output,
                recipe,
                resume=resume,
                device=device,
                progress=not quiet,
            )
        except FileExistsError as error:
            stop(f"{error} (--resume goes on with it)")
        except KeyboardInterrupt:
            stop("stopped; the same command with --resume goes on.", _STOPPED)
    _report(log, output)


def _split(
    folder: Path, val_fraction: float, seed: int, *, progress: bool
) -> list["SegmentationDataset"]:
    from skinseg.data import FolderDataset, check_dataset

    if not 0 < val_fraction < 1:
        raise ValueError(f"--val-fraction must be above 0 and below 1, not {val_fraction}")
    dataset = FolderDataset(folder)
    check_dataset(dataset, progress=progress).raise_if_broken()
    return dataset.random_split((1 - val_fraction, val_fraction), seed)


def _report(log: list[dict[str, Any]], output: Path) -> None:
    best = max(log, key=lambda entry: entry["validation"]["pooled_iou"])
    scores = best["validation"]
    say(
        f"Best epoch: {best['epoch']} of {len(log)}, lesion IoU {scores['pooled_iou']:.4f}, "
        f"Dice {scores['pooled_dice']:.4f} on {scores['images']} validation images, which chose it."
    )
    source = shlex.quote(f"local-dir:{output}")
    say(f"Use it: skinseg predict IMAGES --model {source} --output MASKS")
