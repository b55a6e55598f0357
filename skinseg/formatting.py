"""Figures, names and columns as text, for the command line, messages and reports."""

from collections.abc import Collection, Sequence


def duration(seconds: float) -> str:
    """Return a time in words.

    Example:
        >>> duration(0.4), duration(42), duration(90), duration(7200)
        ('less than a second', '42 s', '1.5 min', '2 h')
    """
    if seconds < 1:
        return "less than a second"
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            count = seconds / length
            return f"{count:.2g} {unit}" if count < 10 else f"{count:.0f} {unit}"
    return f"{seconds:.0f} s"


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """Return a number with its noun.

    Args:
        number: How many.
        noun: What, for one.
        nouns: What, for several; ``noun`` and an s if None.

    Example:
        >>> counted(1, "image"), counted(2000, "image")
        ('1 image', '2,000 images')
    """
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def printable(text: str) -> str:
    """Text with the bytes of ill-encoded file names replaced, so that it can be printed."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Return a line per row, with columns two spaces apart.

    Args:
        rows: Cells, as many in each row.
        right: Columns that end, rather than begin, below each other.

    Example:
        >>> aligned([("name", "size"), ("malunet", "7")], right=[1])
        ['name     size', 'malunet     7']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        cells = (
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    return list(map(line, rows))
