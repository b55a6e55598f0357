"""What a client would like to get: the header ``Accept``, as RFC 9110 has it."""

from collections.abc import Sequence


def preferred(accept: str | None, offered: Sequence[str]) -> str | None:
    """Return the media type to answer with.

    Args:
        accept: The header; None or empty for anything.
        offered: Media types; of two that are as welcome, the earlier one is taken.

    Returns:
        One of ``offered``, or None if none is acceptable.

    Example:
        >>> offered = ("application/json", "image/png")
        >>> preferred("image/*, application/json;q=0.5", offered)
        'image/png'
        >>> preferred("*/*", offered), preferred("text/html", offered)
        ('application/json', None)
    """
    ranges = [_range(part) for part in (accept or "*/*").split(",") if part.strip()]
    quality = {kind: _quality(kind, ranges) for kind in offered}
    best = max(offered, key=quality.__getitem__)
    return best if quality[best] > 0 else None


def _range(text: str) -> tuple[str, float]:
    """A media range in lower case, and its weight; one that cannot be read weighs nothing."""
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    weight = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                weight = min(max(0.0, float(value)), 1.0)  # In this order: 0, too, of a NaN.
            except ValueError:
                weight = 0.0
    return name, weight


def _quality(kind: str, ranges: list[tuple[str, float]]) -> float:
    """The weight of the most specific range that a media type is in."""
    for name in (kind, kind.partition("/")[0] + "/*", "*/*"):
        weights = [weight for range, weight in ranges if range == name]
        if weights:
            return max(weights)
    return 0.0
