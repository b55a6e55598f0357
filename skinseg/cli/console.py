"""What the commands say, and how they end."""

import errno
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import typer
from rich.console import Console

from skinseg.cli.wording import in_options
from skinseg.data.pairs import BrokenDatasetError
from skinseg.errors import CheckpointError, MissingPackageError
from skinseg.formatting import printable
from skinseg.interrupts import INTERRUPTED
from skinseg.locations import Location, is_url, make_folder

WRONG_USE = 2
FAILURE = 1

stdout = Console()
# Progress bars and complaints share one console, so that neither writes over the other.
stderr = Console(stderr=True)


def say(text: str, console: Console = stdout) -> None:
    """Print text as it is: no markup, no colors, no line breaks of our own."""
    try:
        console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
    except OSError as error:
        # Who reads a pipe may have read enough; and of standard error nothing can be said there.
        if error.errno == errno.EPIPE or console is stderr:
            raise
        _discard_standard_output()
        stop(f"cannot write to standard output: {error.strerror}.", FAILURE)


def _discard_standard_output() -> None:
    """Let the interpreter write what is left nowhere, rather than fail once more as it ends."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def say_json(data: Any) -> None:
    """Print JSON, indented; letters that standard output may not have are escaped."""
    say(json.dumps(data, indent=2, ensure_ascii=stdout.encoding != "utf-8"))


def complain(text: str) -> None:
    """Print an error message on standard error."""
    say(f"Error: {in_options(text)}", stderr)


def stop(text: str, code: int = WRONG_USE) -> NoReturn:
    """Print an error message and end with an exit status."""
    complain(text)
    raise typer.Exit(code)


def make_output_folder(place: Location) -> None:
    """Make a folder for results; end now, not after the last image, if none can be written."""
    try:
        if is_url(place):
            make_folder(place)
        else:
            Path(place).mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        stop(
            f"cannot write to the output folder '{place}': {error.strerror}. Choose a folder that "
            "can be written to, on a disk with space left.",
            FAILURE,
        )


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Print each warning once, without the line of code that it comes from."""
    printed = set()

    def note(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in printed:
            printed.add(str(message))
            say(f"Note: {message}", stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = note
        yield


@contextmanager
def interruption_reported(text: str) -> Iterator[None]:
    """Where Ctrl-C ends the command, say what it leaves behind."""
    try:
        yield
    except KeyboardInterrupt:
        stop(f"interrupted; {text}", INTERRUPTED)


@contextmanager
def errors_reported() -> Iterator[None]:
    """End with a message where a request is wrong (2) or a file or device fails (1)."""
    try:
        yield
    except (CheckpointError, BrokenDatasetError) as error:
        stop(str(error), FAILURE)
    except (ValueError, TypeError) as error:
        stop(str(error), WRONG_USE)
    except ModuleNotFoundError as error:
        stop(_missing(error), FAILURE)
    except OSError as error:
        named = error.filename and error.strerror
        stop(f"{error.filename}: {error.strerror}" if named else str(error), FAILURE)
    except FloatingPointError as error:
        stop(str(error), FAILURE)
    except RuntimeError as error:
        # By its name, so that torch need not be imported to report an error.
        if type(error).__name__ != "OutOfMemoryError":
            raise
        stop("the device has no memory left; lower --batch-size.", FAILURE)


def _missing(error: ModuleNotFoundError) -> str:
    """What to install; an error of ours says it, one of Python only names the module."""
    if isinstance(error, MissingPackageError):
        return str(error)
    return (
        f"this needs {error.name}, which is not installed; `pip install .` in a clone of skinseg "
        "installs all that it uses."
    )
