"""``skinseg export``: a network as one file for another runtime."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

import skinseg
from skinseg.cli.console import FAILURE, errors_reported, say, stop
from skinseg.cli.options import NETWORKS
from skinseg.formatting import counted


def export(
    name: Annotated[str, typer.Argument(help=f"Network: {NETWORKS}.")],
    format: Annotated[
        str,
        typer.Option("--format", "-f", help="onnx, openvino, torchscript, pt2 or executorch."),
    ] = "onnx",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write; if absent it has the name of the weights, as "
            "malunet.isic2017.onnx, or of the FOLDER.",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Side of the images that the network sees, or HEIGHTxWIDTH, or dynamic; that of "
            "the weights if absent."
        ),
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Weights in half precision: half the file.")
    ] = False,
    with_preprocessing: Annotated[
        bool,
        typer.Option(
            "--with-preprocessing", help="Take 8-bit RGB of any size, and return that size."
        ),
    ] = False,
    result: Annotated[
        str, typer.Option(help="With preprocessing: probability or mask.")
    ] = "probability",
) -> None:
    """Write a network into a file for other programs, and verify it.

    The file is run on random and on synthetic images and compared with the network; the
    comparisons are printed. Exit status: 0 if the file was written, 1 if the network cannot be
    written or the file differs, 2 if the command is wrong.
    """
    with errors_reported():
        try:
            report = skinseg.export(
                name,
                output,
                format=format,
                size=None if size is None else _size(size),
                half=half,
                with_preprocessing=with_preprocessing,
                result=result,
            )
        except skinseg.ExportError as error:
            stop(str(error), FAILURE)
    say(report.table())
    nodes = "" if report.nodes is None else f", {counted(report.nodes, 'operator')}"
    files = " and ".join(f"'{file}'" for file in report.files)
    say(f"Written: {files}, {report.bytes / 1e6:.2f} MB{nodes}; checked with {report.runtime}.")
    if not with_preprocessing:
        file = shlex.quote(str(report.path))
        say(f"Use it: skinseg predict IMAGES --model {file} --output MASKS")


def _size(text: str) -> int | tuple[int, int] | str:
    """``256``, ``192x256`` or ``dynamic``.

    Raises:
        ValueError: If it is none of these.
    """
    sides = text.split("x")
    if text == "dynamic":
        return text
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise ValueError(f"--size must be a number, HEIGHTxWIDTH or dynamic, not {text!r}")
    numbers = [int(side) for side in sides]
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])
