"""``skinseg convert``: a checkpoint of a network's authors becomes a folder for ``local-dir:``."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

import skinseg
from skinseg.cli.console import errors_reported, say


def convert(
    checkpoint: Annotated[Path, typer.Argument(help="The .pth file.")],
    to: Annotated[Path, typer.Option("--to", help="Folder to make.")],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Network, instead of telling it from the weights."),
    ] = None,
) -> None:
    """Convert a .pth file that the code of a network's authors has written.

    Recognized are MALUNet, EGE-UNet, UltraLight VM-UNet and LMSAUNet, and the U-Net, DeepLabV3 and
    BiSeNet that LMSAUNet's authors compared it with. The file is opened without running any code in
    it. Exit status: 0 if the folder was written, 1 if the file or the folder cannot be used, 2 if
    the command is wrong.
    """
    with errors_reported():
        cfg = skinseg.convert_checkpoint(checkpoint, to, architecture=model)
    arguments = ", ".join(f"{key}={value}" for key, value in cfg.model_args.items())
    say(f"{cfg.architecture} ({arguments}), {cfg.num_params:,} parameters: {to}")
    say("What it was trained on is unknown, and so are its scores; the record says so.")
    source = shlex.quote(f"local-dir:{to}")
    say(f"Use it: skinseg predict IMAGES --model {source} --output MASKS")
