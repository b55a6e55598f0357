"""``skinseg bench``: how fast networks are on this machine."""

import dataclasses
import json
from typing import Annotated

import typer

import skinseg
from skinseg.cli.completion import complete_model
from skinseg.cli.console import WRONG_USE, errors_reported, say, stop
from skinseg.cli.options import NETWORKS
from skinseg.formatting import counted

_HELP_SIZE = "Side of the images in pixels; that of each network's weights if absent."


def bench(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help=f"Networks: {NETWORKS}; those with weights in the package if absent.",
            autocompletion=complete_model,
        ),
    ] = None,
    size: Annotated[int | None, typer.Option(help=_HELP_SIZE)] = None,
    batch_size: Annotated[int, typer.Option(help="Images per pass.")] = 1,
    threads: Annotated[int, typer.Option(help="Threads of an operator.")] = 1,
    rounds: Annotated[int, typer.Option(help="Turns of each; 4 or more.")] = 15,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time networks as published and in their fast form, side by side.

    Exit status: 0 if all went well, 2 if the command is wrong.
    """
    for option, value, least in (
        ("--size", size, 32),
        ("--batch-size", batch_size, 1),
        ("--threads", threads, 1),
        ("--rounds", rounds, 4),
    ):
        if value is not None and value < least:
            stop(f"{option} must be {least} or more, not {value}.", WRONG_USE)
    names = models or sorted({name.partition(".")[0] for name in skinseg.list_pretrained()})
    rows = []
    for name in names:
        with errors_reported():
            rows += _rows(name, size, batch_size, threads, rounds)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    say(
        f"Milliseconds per pass of {counted(batch_size, 'image')} on {counted(threads, 'thread')}; "
        "quartiles."
    )
    for row in rows:
        spread = f"({row['low']:.2f} to {row['high']:.2f})"
        say(
            f"{row['model']:<24} {row['form']:<10} {row['size']:>4} px "
            f"{row['median']:>9.2f} ms {spread:<22} {row['ratio']:.2f}"
        )


def _rows(
    name: str, size: int | None, batch_size: int, threads: int, rounds: int
) -> list[dict[str, str | int | float]]:
    import torch

    from skinseg.complexity.latency import time_alternately

    torch.set_num_threads(threads)
    network = skinseg.create_model(name).eval()
    # Its own: a folder or a repository is known by its files alone.
    record = network.pretrained_cfg
    side = size or (256 if record is None else record.input_size[1])
    fast = skinseg.optimize(network, side)
    x = torch.rand(batch_size, network.in_chans, side, side)
    with torch.inference_mode():
        times = time_alternately(
            {"published": lambda: network(x), "optimized": lambda: fast(x)}, rounds=rounds
        )
    base = times["published"].median
    return [
        {
            "model": name,
            "form": form,
            "size": side,
            **dataclasses.asdict(latency),
            "ratio": latency.median / base,
        }
        for form, latency in times.items()
    ]
