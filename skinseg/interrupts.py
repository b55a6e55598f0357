"""Ctrl-C in the command line: while libraries are loaded, and while the process ends."""

import os
import sys
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130  # As a shell reports a command that Ctrl-C ended.


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Handle SIGINT: raise KeyboardInterrupt, or end at once while a module is being imported.

    KeyboardInterrupt would not arrive then: extension modules that are interrupted in their import
    raise something else, or abort the process. Nothing is lost, as files are written atomically.
    """
    if importing(frame):
        sys.stderr.write(
            "Error: interrupted while modules were loading; the files that are there are whole.\n"
        )
        sys.stderr.flush()
        os._exit(INTERRUPTED)
    raise KeyboardInterrupt


def end_at_once(number: int, frame: FrameType | None) -> NoReturn:
    """Handle SIGINT after a command's last word, where Python would print a traceback."""
    os._exit(INTERRUPTED)


def importing(frame: FrameType | None) -> bool:
    """Whether the code that a frame belongs to runs because a module is being imported."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
