"""Where the names of a plot's points go: beside them, and over nothing else."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

# Of a system's sans serif at 11 pixels: about the width of a letter, and what rises and hangs.
LETTER, ASCENT, DESCENT = 6.6, 9.0, 3.0
RADIUS = 3.5
# From a point to its name, in pixels; further away where it is crowded.
GAPS = (6.0, 11.0, 17.0)
# From one point of a line to the next one that names keep away from.
STEP = 4.0

Point = tuple[float, float]


class Box(NamedTuple):
    """A rectangle, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "Box") -> float:
        """Area that two rectangles have in common."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)

    def distance(self, point: Point) -> float:
        """How far a point is from the rectangle."""
        x, y = point
        along = max(self.left - x, x - self.right, 0.0)
        return math.hypot(along, max(self.top - y, y - self.bottom, 0.0))

    def within(self, other: "Box") -> bool:
        """Whether the other rectangle contains this one."""
        return (
            self.left >= other.left
            and self.top >= other.top
            and self.right <= other.right
            and self.bottom <= other.bottom
        )


class Labels:
    """Places for names, found one after the other: the first ones have the best.

    Args:
        frame: Names stay inside.
        points: What they must not cover.
        lines: Lines, each by its corners, that they do not cross if they can help it.
    """

    def __init__(
        self, frame: Box, points: Sequence[Point], lines: Sequence[Sequence[Point]]
    ) -> None:
        self.frame = frame
        self.points = points
        on_lines = [point for line in lines for point in _along(line)]
        self.taken = [_around(point, RADIUS) for point in (*points, *on_lines)]

    def place(self, name: str, point: Point, *, always: bool) -> Point | None:
        """Find the left end of a name's baseline, and keep others away from it.

        Args:
            name: What is written.
            point: What it names.
            always: Take the place that covers least if none is free.

        Returns:
            The place, or None if none is free and nearer to this point than to any other.
        """
        boxes = [box for box in _beside(name, point) if box.within(self.frame)]
        wrong = [(self._is_nearer_to_another(box, point), self._covered(box)) for box in boxes]
        if not boxes or (min(wrong) > (False, 0.0) and not always):
            return None
        best = boxes[wrong.index(min(wrong))]
        self.taken.append(best)
        return round(best.left, 1), round(best.bottom - DESCENT, 1)

    def _is_nearer_to_another(self, box: Box, point: Point) -> bool:
        return min(map(box.distance, self.points)) < box.distance(point)

    def _covered(self, box: Box) -> float:
        return sum(box.overlap(other) for other in self.taken)


def _around(point: Point, radius: float) -> Box:
    x, y = point
    return Box(x - radius, y - radius, x + radius, y + radius)


def _along(line: Sequence[Point]) -> Iterator[Point]:
    """Points of a line, close together."""
    for (x1, y1), (x2, y2) in pairwise(line):
        count = max(1, math.ceil(math.dist((x1, y1), (x2, y2)) / STEP))
        for i in range(count + 1):
            yield x1 + (x2 - x1) * i / count, y1 + (y2 - y1) * i / count


def _beside(name: str, point: Point) -> Iterator[Box]:
    """Rectangles around a point that a name would fill, those that are read best first."""
    x, y = point
    width, height = LETTER * len(name), ASCENT + DESCENT
    for gap in GAPS:
        right, left, middle = x + gap, x - gap - width, x - width / 2
        above, below, level = y - gap - height, y + gap, y - height / 2
        for corner in (
            (right, level),
            (right, above + gap / 2),
            (right, below - gap / 2),
            (left, level),
            (left, above + gap / 2),
            (left, below - gap / 2),
            (middle, above),
            (middle, below),
        ):
            yield Box(*corner, corner[0] + width, corner[1] + height)
