"""The process that serves: its socket, its signals, its end."""

import contextlib
import logging
import math
import signal
import socket
import warnings
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from skinseg.serving.limits import Limits


def listen(host: str = "127.0.0.1", port: int = 8000) -> socket.socket:
    """Return a socket that takes connections; :func:`run` answers them.

    Args:
        host: Address of this machine; ``"127.0.0.1"`` is one that no other machine reaches, and
            ``"0.0.0.0"`` or ``"::"`` stands for all that it has.
        port: Port; 0 for any that is free.

    Raises:
        OSError: If the port is taken, or the address is none of this machine.

    Example:
        >>> with listen(port=0) as listening:
        ...     listening.getsockname()[0]
        '127.0.0.1'
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=2048)
    # Its connections inherit it: the body of an answer must not wait for the client's word that
    # the header has arrived, which takes 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def run(app: FastAPI, listening: socket.socket, limits: Limits | None = None) -> None:
    """Answer requests until Ctrl-C or SIGTERM; those that have begun then are answered.

    To be called in the main thread, which is the one that signals reach.

    Args:
        app: What :func:`create_app` returns.
        listening: What :func:`listen` returns; it is closed at the end.
        limits: Those of the application: its ``timeout`` is the time that remains at the end.

    Example:
        >>> import skinseg
        >>> app = skinseg.serving.create_app(skinseg.Predictor("egeunet"))
        >>> run(app, listen())  # doctest: +SKIP
    """
    interrupted = contextlib.suppress(KeyboardInterrupt)
    with listening, quiet_libraries(), interrupted, _both_signals_interrupt():
        server(app, limits or Limits()).run(sockets=[listening])


def server(app: FastAPI, limits: Limits) -> uvicorn.Server:
    """Return the server that :func:`run` runs."""
    config = uvicorn.Config(
        app,
        # No line for each request: who asked for a mask is nobody's business.
        access_log=False,
        log_config=None,
        log_level="error",
        lifespan="on",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(limits.timeout),
    )
    return uvicorn.Server(config)


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep out of the log what libraries say of bad input, which may quote it."""
    logs = [logging.getLogger(name) for name in ("PIL", "python_multipart")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            for log, level in zip(logs, levels, strict=True):
                log.setLevel(level)


@contextlib.contextmanager
def _both_signals_interrupt() -> Iterator[None]:
    """Let SIGTERM end the server as Ctrl-C does.

    The server answers what has begun, and then gives the signal to whoever handled it before.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    handled = {
        number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
