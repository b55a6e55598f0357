"""Figures in words, for the command line and the report."""


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
