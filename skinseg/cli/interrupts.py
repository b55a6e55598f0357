"""Ctrl-C, also while the libraries are still being loaded."""

import os
import sys
from types import FrameType
from typing import NoReturn

from skinseg.cli.console import INTERRUPTED


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


def importing(frame: FrameType | None) -> bool:
    """Whether the code that a frame belongs to runs because a module is being imported."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
