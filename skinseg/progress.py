"""The progress bar of everything that takes long."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def progress_bar(*, shown: bool, console: Console | None = None) -> Progress:
    """Return a progress bar, to be used as a context manager.

    Args:
        shown: Whether anything is printed.
        console: Where to print; standard error by default.
    """
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    times = [TimeElapsedColumn(), TimeRemainingColumn()]
    return Progress(*columns, *times, console=console or Console(stderr=True), disable=not shown)
