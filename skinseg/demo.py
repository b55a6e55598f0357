"""Serves the page that segments in the browser, on this machine alone."""

import functools
import os
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HEADERS_FILE = "_headers"
"""Headers of every answer, in the form that hosts of static pages read."""

# Not those of the system, which may call a script plain text; browsers refuse it then.
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".onnx": "application/octet-stream",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    "": "application/octet-stream",
}


def demo_server(folder: str | os.PathLike[str], port: int = 0) -> ThreadingHTTPServer:
    """Return a server of the built page; ``serve_forever`` starts it.

    It answers to this machine alone. The headers of every answer are those of the page's file
    ``_headers``: the page may load nothing from elsewhere, and is isolated from other pages, for
    which browsers give it threads.

    Args:
        folder: The built page, as ``make demo-page`` leaves it in ``build/demo``.
        port: Port to listen on; 0 for any that is free.

    Raises:
        FileNotFoundError: If the folder holds no built page.
        OSError: If the port is taken.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     demo_server(folder)
        Traceback (most recent call last):
        FileNotFoundError: '...' holds no built page; build it with `make demo-page` in a clone...
    """
    folder = Path(folder)
    for name in ("index.html", "page.json", HEADERS_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"'{folder}' holds no built page; build it with `make demo-page` in a clone of the "
                "repository, which leaves it in build/demo"
            )
    headers = read_headers((folder / HEADERS_FILE).read_text(encoding="utf-8"))
    handler = functools.partial(_Handler, headers, directory=os.fspath(folder))
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


def read_headers(text: str) -> dict[str, str]:
    """Return the headers of a file in which a line of a path precedes its headers.

    Example:
        >>> read_headers("/*" + chr(10) + "  Cache-Control: no-cache")
        {'Cache-Control': 'no-cache'}
    """
    lines = [line.strip() for line in text.splitlines() if line.startswith(" ")]
    pairs = (line.partition(":") for line in lines)
    return {name: value.strip() for name, _, value in pairs}


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = _TYPES

    def __init__(self, added: dict[str, str], *args: object, **kwargs: object) -> None:
        self.added = added
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def end_headers(self) -> None:
        for name, value in self.added.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""
