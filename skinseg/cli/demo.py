"""``skinseg demo``: the page that segments in the browser."""

import errno
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

import skinseg
from skinseg.cli.console import FAILURE, errors_reported, say, stop

# A browser keeps the page under its address; other servers, as of `localhost:8000`, would then be
# hidden by it.
_PORT = 8800


def demo(
    folder: Annotated[
        Path, typer.Argument(help="The built page; `make demo-page` in a clone makes it.")
    ] = Path("build/demo"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any free one.")] = _PORT,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in the browser.")
    ] = True,
) -> None:
    """Segment in the browser: serve the page on this machine, and open it.

    The networks run in the browser; no image reaches this server or any other. It answers to this
    machine alone, until Ctrl-C. Exit status: 0 after Ctrl-C, 1 if the page is not there or the
    port is taken, 2 if the command is wrong.
    """
    with errors_reported():
        try:
            server = skinseg.demo.demo_server(folder, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            stop(f"port {port} is taken; choose another with --port, or 0 for any.", FAILURE)
    address = f"http://localhost:{server.server_port}/"
    say(f"The page is at {address} until Ctrl-C.")
    if open_browser:
        webbrowser.open(address)
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("Stopped.")
