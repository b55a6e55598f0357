"""``skinseg``, ``python -m skinseg``, and ``torchrun ... -m skinseg train``."""

import io
import signal
import sys

from skinseg.interrupts import end_at_once, interrupt


def main() -> None:
    """Run the command line; Ctrl-C is handled before the first of its libraries is loaded."""
    signal.signal(signal.SIGINT, interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Not every encoding has all letters, on Windows that of pipes: as standard error does.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        from skinseg.cli import app

        app()
    finally:
        signal.signal(signal.SIGINT, end_at_once)


if __name__ == "__main__":
    main()
