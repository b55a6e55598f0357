"""Masks as polygons, and polygons as masks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from skinseg.data.run_lengths import RunLengths

# East, south, west, north; lesion is on the right of who walks along its edge.
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
_TURNS = (1, 0, 3)  # Right, straight on, left.


@dataclasses.dataclass(frozen=True, eq=False)
class Polygon:
    """A connected part of a mask.

    Coordinates are (x, y) in pixels from the upper left corner of the image: pixel (0, 0) is the
    square from (0, 0) to (1, 1). The last point is not the first one again.

    Attributes:
        outer: float64 (N, 2), clockwise as it is seen.
        holes: float64 (M, 2) each, counterclockwise.
    """

    outer: np.ndarray
    holes: tuple[np.ndarray, ...] = ()

    def to_dict(self) -> dict[str, list[list[float]] | list[list[list[float]]]]:
        """Return it as JSON data."""
        return {"outer": self.outer.tolist(), "holes": [hole.tolist() for hole in self.holes]}


def mask_polygons(runs: RunLengths, tolerance: float = 1.0) -> list[Polygon]:
    """Trace the outlines of a mask along the edges of its pixels.

    Pixels that touch at a corner alone belong to two polygons.

    Args:
        runs: The mask.
        tolerance: How far, in pixels, a straight line may be from the points that it replaces. With
            1 slanted edges are no stairs; with 0 the polygons are exactly the mask.

    Returns:
        The parts, the uppermost first.

    Raises:
        ValueError: If ``tolerance`` is negative.

    Example:
        >>> mask = np.zeros((4, 5), bool)
        >>> mask[1:3, 1:4] = True
        >>> mask_polygons(RunLengths.from_mask(mask))[0].outer.tolist()
        [[1.0, 1.0], [4.0, 1.0], [4.0, 3.0], [1.0, 3.0]]
    """
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be 0 or more pixels, not {tolerance}")
    parts: dict[int, tuple[list[np.ndarray], list[np.ndarray]]] = {}
    for ring, part in _rings(runs):
        outer, holes = parts.setdefault(part, ([], []))
        (outer if _signed_area(ring) > 0 else holes).append(simplified(ring, tolerance))
    return [Polygon(outer[0], tuple(holes)) for _, (outer, holes) in sorted(parts.items())]


def polygon_runs(rings: Iterable[np.ndarray], shape: tuple[int, int]) -> RunLengths:
    """Fill polygons: a pixel is lesion where its center is inside an odd number of rings.

    Args:
        rings: (N, 2) each, (x, y) in pixels; the outer ring of a polygon and its holes. What is
            outside the image does not count.
        shape: (H, W) of the mask.

    Example:
        >>> square = np.array([[1, 1], [4, 1], [4, 3], [1, 3]])
        >>> polygon_runs([square], (4, 5)).area
        6
    """
    height, width = shape
    rows: list[np.ndarray] = [np.empty(0, np.int64)]
    crossings: list[np.ndarray] = [np.empty(0)]
    for ring in rings:
        start = np.asarray(ring, np.float64).reshape(-1, 2)
        end = np.roll(start, -1, axis=0)
        for (x0, y0), (x1, y1) in zip(start.tolist(), end.tolist(), strict=True):
            low, high = sorted((y0, y1))
            # Rows whose centers are from the lower end on and before the upper one.
            first, after = max(0, int(np.ceil(low - 0.5))), min(height, int(np.ceil(high - 0.5)))
            row = np.arange(first, after)
            if len(row):
                rows.append(row)
                crossings.append(x0 + (row + 0.5 - y0) * ((x1 - x0) / (y1 - y0)))
    row, x = np.concatenate(rows), np.concatenate(crossings)
    column = np.ceil(x - 0.5).clip(0, width).astype(np.int64)
    position = np.sort(row * (width + 1) + column)
    starts, ends = position[0::2], position[1::2]
    # Of two crossings between the same two centers nothing remains; of two that follow, one run.
    some = ends > starts
    return merged_runs(shape, starts[some], ends[some])


def merged_runs(shape: tuple[int, int], starts: np.ndarray, ends: np.ndarray) -> RunLengths:
    """Return runs that may touch or overlap as a mask's runs.

    Args:
        shape: (H, W) of the mask.
        starts: int64 (N,), as :class:`RunLengths` counts positions, in any order.
        ends: int64 (N,), the end of each.
    """
    positions = np.concatenate([starts, ends])
    changes = np.concatenate([np.ones(len(starts), int), -np.ones(len(ends), int)])
    # Where one ends and another begins, the beginning counts first, so that both are one.
    order = np.lexsort((-changes, positions))
    depth = np.cumsum(changes[order])
    before = depth - changes[order]
    positions = positions[order]
    return RunLengths(
        shape, positions[(before == 0) & (depth > 0)], positions[(before > 0) & (depth == 0)]
    )


def simplified(ring: np.ndarray, tolerance: float) -> np.ndarray:
    """Leave out points of a closed ring, as Douglas and Peucker do.

    Args:
        ring: (N, 2).
        tolerance: How far, in pixels, a line may be from the points that it replaces.

    Returns:
        The points that remain; all of them if fewer than three would.
    """
    if tolerance == 0 or len(ring) < 5:
        return ring
    # Two points that surely remain: the first one, and the one that is farthest from it.
    far = int(np.hypot(*(ring - ring[0]).T).argmax())
    closed = np.concatenate([ring, ring[:1]])
    kept = np.zeros(len(closed), bool)
    kept[[0, far, -1]] = True
    waiting = [(0, far), (far, len(ring))]
    while waiting:
        first, last = waiting.pop()
        between = closed[first + 1 : last]
        if not len(between):
            continue
        distance = _distances(between, closed[first], closed[last])
        farthest = int(distance.argmax())
        if distance[farthest] > tolerance:
            middle = first + 1 + farthest
            kept[middle] = True
            waiting += [(first, middle), (middle, last)]
    return ring[kept[:-1]] if kept[:-1].sum() >= 3 else ring


def _distances(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Distances of points (N, 2) from the line through two others."""
    along = end - start
    apart = points - start
    length = float(np.hypot(*along))
    distance: np.ndarray = np.hypot(*apart.T)
    if length:
        distance = np.abs(apart[:, 0] * along[1] - apart[:, 1] * along[0]) / length
    return distance


def _signed_area(ring: np.ndarray) -> float:
    """Twice the area that is inside, positive if clockwise as it is seen."""
    x, y = ring.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())


def _rings(runs: RunLengths) -> Iterable[tuple[np.ndarray, int]]:
    """Yield closed rings of corners, and the number of the part on the right of each."""
    if not len(runs.starts):
        return
    mask = np.pad(runs.to_mask(), 1)
    inside, stride = mask[1:-1, 1:-1], mask.shape[1] - 1
    leaving: dict[int, int] = {}  # By corner, a bit for each direction that an edge leaves in.
    skin = (mask[:-2, 1:-1], mask[1:-1, 2:], mask[2:, 1:-1], mask[1:-1, :-2])
    corners = ((0, 0), (1, 0), (1, 1), (0, 1))
    for direction, (beside, (right, down)) in enumerate(zip(skin, corners, strict=True)):
        y, x = np.nonzero(inside & ~beside)
        for corner in ((y + down) * stride + x + right).tolist():
            leaving[corner] = leaving.get(corner, 0) | 1 << direction
    labels = runs.component_labels(corners=False)
    while leaving:
        corner = next(iter(leaving))
        first = corner, (leaving[corner] & -leaving[corner]).bit_length() - 1
        ring = [divmod(point, stride)[::-1] for point in _ring(leaving, first, stride)]
        yield np.array(ring, np.float64), _part(runs, labels, first, stride)


def _ring(leaving: dict[int, int], first: tuple[int, int], stride: int) -> list[int]:
    """Walk from an edge until it comes again; take the edges away, and return the corners."""
    moves = [dx + dy * stride for dx, dy in _STEPS]
    corner, direction = first
    before, points = -1, []
    while True:
        if direction != before:
            points.append(corner)
        leaving[corner] &= ~(1 << direction)
        if not leaving[corner]:
            del leaving[corner]
        corner += moves[direction]
        before = direction
        bits = leaving.get(corner, 0) | (1 << first[1] if corner == first[0] else 0)
        direction = _next(bits, before)
        if (corner, direction) == first:
            return points[1:] if direction == before else points


def _next(bits: int, direction: int) -> int:
    """The sharpest turn to the right that there is: pixels that touch at a corner stay apart."""
    turned = ((direction + turn) % 4 for turn in _TURNS)
    return next(way for way in turned if bits >> way & 1)


def _part(runs: RunLengths, labels: np.ndarray, edge: tuple[int, int], stride: int) -> int:
    """The part that the pixel on the right of an edge belongs to."""
    corner, direction = edge
    y, x = divmod(corner, stride)
    dx, dy = ((0, 0), (-1, 0), (-1, -1), (0, -1))[direction]
    position = (y + dy) * (runs.shape[1] + 1) + x + dx
    return int(labels[np.searchsorted(runs.starts, position, "right") - 1])


def flat_points(values: Sequence[float]) -> np.ndarray:
    """Points (N, 2) of a list x1, y1, x2, y2, ... as label files have it."""
    return np.asarray(values, np.float64).reshape(-1, 2)
