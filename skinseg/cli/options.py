"""Options that several commands have, under one name and with one meaning."""

from typing import Annotated

import typer

SOURCES = "arch, arch.tag, local-dir:FOLDER or hf-hub:ORG/NAME"

Model = Annotated[str, typer.Option("--model", "-m", help=f"Network: {SOURCES}.")]
Threshold = Annotated[
    float | None,
    typer.Option(help="Probability from which a pixel is lesion; the weights' own if absent."),
]
Tta = Annotated[
    bool, typer.Option("--tta", help="Average over the four flips; four times the time.")
]
BatchSize = Annotated[int, typer.Option(help="Images per pass through the network.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, ...")]
