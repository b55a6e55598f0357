"""``skinseg``, ``python -m skinseg``, and ``torchrun ... -m skinseg train``."""

import signal

from skinseg.interrupts import end_at_once, interrupt


def main() -> None:
    """Run the command line; Ctrl-C is handled before the first of its libraries is loaded."""
    signal.signal(signal.SIGINT, interrupt)
    try:
        from skinseg.cli import app

        app()
    finally:
        signal.signal(signal.SIGINT, end_at_once)


if __name__ == "__main__":
    main()
