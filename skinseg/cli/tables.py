"""Tables: with lines on a terminal, in plain columns for other programs."""

from collections.abc import Sequence

from rich.table import Table

from skinseg.cli.console import say, stdout
from skinseg.formatting import aligned


def show_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    figures: Sequence[int] | None = None,
) -> None:
    """Print a table: with lines on a terminal, elsewhere in plain columns, a line per row.

    Args:
        header: Names of the columns.
        rows: Cells of text.
        title: Printed above.
        figures: Columns that hold figures; all but the first if None.
    """
    right = set(range(1, len(header)) if figures is None else figures)
    if not stdout.is_terminal:
        say("\n".join(filter(None, ["", title, *aligned([header, *rows], right)])) + "\n")
        return
    table = Table(title=title or None, title_justify="left", title_style="bold")
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    stdout.print(table, markup=False, highlight=False)


def show_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print labels with what they label; off a terminal, each on one line."""
    if not stdout.is_terminal:
        say("\n".join(aligned(facts)))
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in facts:
        table.add_row(label, value)
    stdout.print(table, markup=False, highlight=False)
