"""``skinseg serve``: masks over HTTP."""

import errno
import ipaddress
import socket
from typing import Annotated, Any

import typer

import skinseg
from skinseg.cli.console import FAILURE, errors_reported, interruption_reported, say, stderr, stop
from skinseg.cli.cores import leave_cores_to_readers
from skinseg.cli.options import (
    RUNTIMES,
    BatchSize,
    Device,
    FillHoles,
    LargestComponent,
    Model,
    Threshold,
    Tile,
    Tta,
)


def serve(
    model: Model = "egeunet",
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; 0.0.0.0 lets other machines in, without encryption or "
            "passwords."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any free one.")] = 8000,
    threshold: Threshold = None,
    tta: Tta = False,
    largest_component: LargestComponent = False,
    fill_holes: FillHoles = False,
    tile: Tile = None,
    batch_size: BatchSize = 8,
    runtime: Annotated[
        str | None,
        typer.Option(help=f"{RUNTIMES}; optimized if absent, and what a file is for."),
    ] = None,
    device: Device = "cpu",
    workers: Annotated[
        int | None, typer.Option(help="Threads that read images; one per core if absent.")
    ] = None,
    max_bytes: Annotated[int, typer.Option(help="Most bytes of an image.")] = 25_000_000,
    max_request_bytes: Annotated[
        int, typer.Option(help="Most bytes of a request, with all its images.")
    ] = 50_000_000,
    max_pixels: Annotated[int, typer.Option(help="Most pixels of an image.")] = 50_000_000,
    max_images: Annotated[int, typer.Option(help="Most images of a request.")] = 16,
    max_concurrency: Annotated[
        int, typer.Option(help="Most requests that are answered at a time.")
    ] = 64,
    timeout: Annotated[
        float, typer.Option(help="Seconds to send a request in, and to answer it in.")
    ] = 30.0,
) -> None:
    """Answer with masks over HTTP: POST /predict takes images, /docs says how.

    For research, not for diagnosis. Nothing of an image is logged or kept. Runs until Ctrl-C or
    SIGTERM, after which requests that have begun are answered. Exit status: 0 after either, 1 if
    the address cannot be used or the weights fail, 2 if the command is wrong.
    """
    with errors_reported(), interruption_reported("nothing was served."):
        limits = skinseg.serving.Limits(
            max_bytes=max_bytes,
            max_request_bytes=max_request_bytes,
            max_pixels=max_pixels,
            max_images=max_images,
            max_concurrency=max_concurrency,
            timeout=timeout,
        )
        predictor = _predictor(
            model,
            runtime,
            threshold=threshold,
            tta=tta,
            largest_component=largest_component,
            fill_holes=fill_holes,
            tile=tile,
            batch_size=batch_size,
            device=device,
            workers=workers,
        )
        leave_cores_to_readers()
        app = skinseg.serving.create_app(predictor, limits)
        listening = _listening(host, port)
        _announce(predictor.name, host, listening)
        skinseg.serving.run(app, listening, limits)
    say("Stopped.")


def _predictor(model: str, runtime: str | None, **settings: Any) -> "skinseg.inference.Predictor":
    """What serves a model: its fast form if it has one, unless a runtime is named.

    Many requests outweigh a slower start.
    """
    if runtime is None and not skinseg.runtimes.is_exported_path(model):
        try:
            return skinseg.inference.Predictor(model, runtime="optimized", **settings)
        except (TypeError, skinseg.OptimizationError):
            pass  # A network of another library has none.
    return skinseg.inference.Predictor(model, runtime=runtime, **settings)


def _listening(host: str, port: int) -> socket.socket:
    try:
        return skinseg.serving.listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            stop(f"port {port} is taken; choose another with --port, or 0 for any.", FAILURE)
        stop(
            f"cannot listen on '{host}', port {port}: {error.strerror or error}. Give --host an "
            "address of this machine, and --port one of 1024 or more.",
            FAILURE,
        )


def _announce(name: str, host: str, listening: socket.socket) -> None:
    port = listening.getsockname()[1]
    address = f"[{host}]" if ":" in host else host
    say(f"{name} answers at http://{address}:{port}/predict until Ctrl-C; /docs says how.")
    if not _is_loopback(host):
        say(
            "Note: other machines reach it, without encryption or passwords; images of patients "
            "need a proxy in front that has both.",
            stderr,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
