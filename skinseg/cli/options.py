"""Options that several commands have, under one name and with one meaning."""

from typing import Annotated

import typer

NETWORKS = "arch, arch.tag, local-dir:FOLDER or hf-hub:ORG/NAME"
SOURCES = f"{NETWORKS}, or an exported file such as malunet.onnx"

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
Runtime = Annotated[
    str | None,
    typer.Option(
        help="torch, compile, onnxruntime, openvino or executorch; torch if absent, and what a "
        "file is for."
    ),
]
