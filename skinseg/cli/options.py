"""Options that several commands have, under one name and with one meaning."""

from pathlib import Path
from typing import Annotated

import typer

import skinseg
from skinseg.cli.completion import complete_weights

NETWORKS = "arch, arch.tag, local-dir:FOLDER or hf-hub:ORG/NAME"
SOURCES = f"{NETWORKS}, or an exported file such as malunet.onnx"

Model = Annotated[
    str,
    typer.Option("--model", "-m", help=f"Network: {SOURCES}.", autocompletion=complete_weights),
]
Threshold = Annotated[
    float | None,
    typer.Option(help="Probability from which a pixel is lesion; the weights' own if absent."),
]
Tta = Annotated[
    bool, typer.Option("--tta", help="Average over the four flips; four times the time.")
]
BatchSize = Annotated[int, typer.Option(help="Images per pass through the network.")]
Masks = Annotated[
    Path | None, typer.Option(help="Folder of the masks, if they are not in the folder of images.")
]
AnyLabel = Annotated[
    bool, typer.Option("--any-label", help="Masks with several labels: all but 0 are lesion.")
]
Labels = Annotated[
    str | None,
    typer.Option(help="What the values of the masks mean, as 0=background,2=lesion."),
]
LargestComponent = Annotated[
    bool,
    typer.Option("--largest-component", help="Keep the largest connected part of each mask alone."),
]
FillHoles = Annotated[
    bool, typer.Option("--fill-holes", help="Make skin that is enclosed by lesion lesion.")
]
Tile = Annotated[
    int | None,
    typer.Option(
        help="For very large images: side in pixels of the squares that the network sees one by "
        "one; the whole image at once if absent."
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON on standard output, and nothing else there.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, ...")]
RUNTIMES = "torch, optimized, compile, onnxruntime, openvino or executorch"
Runtime = Annotated[
    str | None, typer.Option(help=f"{RUNTIMES}; torch if absent, and what a file is for.")
]


def parsed_labels(text: str | None) -> dict[int, str] | None:
    """What ``--labels`` says.

    Raises:
        DatasetError: If it is written otherwise than ``0=background,2=lesion``.
    """
    return None if text is None else skinseg.data.parse_labels(text)
