"""``skinseg``, ``python -m skinseg``, and ``torchrun ... -m skinseg train``."""

import io
import signal
import sys

from skinseg.interrupts import end_at_once, interrupt


def main() -> None:
    """Run the command line; Ctrl-C is handled before the first of its libraries is loaded."""
    signal.signal(signal.SIGINT, interrupt)
    try:
        from skinseg.cli import app

        _escape_missing_letters()
        app()
    finally:
        signal.signal(signal.SIGINT, end_at_once)


def _escape_missing_letters() -> None:
    """Let standard output do as standard error does where its encoding lacks letters.

    On Windows that of pipes lacks most.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
