"""The lines of an architecture's figure: from one box to another, around those between."""

from collections.abc import Iterable

from docs.site.layout import BOX_HEIGHT, BOX_WIDTH, ROW, Box

_TURN = 40  # How wide a line's bend is.
_DROP = 13  # How far below the boxes a line runs that goes around them.


def route(start: Box, end: Box, others: Iterable[Box] = ()) -> str:
    """Return the path from one box to another.

    Args:
        start: Where it begins.
        end: Where it ends.
        others: Boxes that may lie between.

    Returns:
        The SVG path; empty where the boxes touch, one above the other.

    Example:
        >>> route(Box(0, 0), Box(0, 100))
        'M0 23V77'
    """
    if start.x == end.x:
        return _vertical(start, end)
    same_row = abs(start.y - end.y) < ROW / 2
    blocked = any(_between(box, start, end) for box in others)
    to_join = end.height < BOX_HEIGHT
    if same_row and (end.x < start.x or (blocked and not to_join)):
        return _around(start, end)
    if start.x < end.x:
        return _rightward(start, end, blocked)
    up = start.y > end.y
    first, last = (start.top, end.bottom) if up else (start.bottom, end.top)
    middle = (first + last) / 2
    return _curve((start.x, first), (start.x, middle), (end.x, middle), (end.x, last))


def _between(box: Box, start: Box, end: Box) -> bool:
    return start.right < box.x < end.left and box.top < start.y < box.bottom


def _curve(*points: tuple[float, float]) -> str:
    first, *rest = (f"{x:.0f} {y:.0f}" for x, y in points)
    return f"M{first}C{' '.join(rest)}"


def _vertical(start: Box, end: Box) -> str:
    if abs(start.y - end.y) < (start.height + end.height) / 2 + 2:
        return ""
    down = start.y < end.y
    first, last = (start.bottom, end.top) if down else (start.top, end.bottom)
    return f"M{start.x:.0f} {first:.0f}V{last:.0f}"


def _rightward(start: Box, end: Box, blocked: bool) -> str:
    # To a join, which lies above or below a box, turn before that box; else at the end of the
    # way, where no box of the same row is in it.
    to_join = end.height < BOX_HEIGHT
    last = end.x - BOX_WIDTH / 2 - 2 if to_join else end.left
    first = max(start.right, last - _TURN)
    if blocked:
        first, last = start.right, start.right + _TURN
    bend = (first + last) / 2
    ends = f"{bend:.0f} {start.y:.0f} {bend:.0f} {end.y:.0f} {last:.0f} {end.y:.0f}"
    return f"M{start.right:.0f} {start.y:.0f}H{first:.0f}C{ends}H{end.left:.0f}"


def _around(start: Box, end: Box) -> str:
    side = 1 if end.x > start.x else -1
    first, last = start.x + side * 40, end.x - side * 40
    low = max(start.bottom, end.bottom) + _DROP
    return (
        f"M{first:.0f} {start.bottom:.0f}Q{first:.0f} {low:.0f} {first + side * 16:.0f} {low:.0f}"
        f"H{last - side * 16:.0f}Q{last:.0f} {low:.0f} {last:.0f} {end.bottom:.0f}"
    )
