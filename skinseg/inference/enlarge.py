"""A network's logits at the size of the image: whole, in part, or only where they change sign."""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property

import numpy as np

from skinseg.data.run_lengths import RunLengths

# Rows that are enlarged at once: few enough for the cache of the processor.
_ROWS = 32


@dataclasses.dataclass(frozen=True, eq=False)
class EnlargedLogits:
    """Logits of one image that are resized bilinearly to its own size as they are asked for.

    Between the centers of two neighboring logits the values are a straight line, so that all
    pixels there are lesion where both ends are, and none is where neither end is. Only between ends
    that differ must pixels be looked at one by one, which makes the mask of a photograph cheap.

    Attributes:
        logits: float32 (passes, h, w): of each pass of test-time augmentation, or of the one pass.
        size: (H, W) of the image.
    """

    logits: np.ndarray
    size: tuple[int, int]

    def probability(self) -> np.ndarray:
        """Return the sigmoid of the enlarged logits, averaged over the passes, float32 (H, W)."""
        height, width = self.size
        probability = np.empty(self.size, np.float32)
        for top in range(0, height, _ROWS):
            rows = self._rows.interpolate(self._reduced, slice(top, top + _ROWS), axis=1)
            enlarged = self._columns.interpolate(rows, slice(0, width), axis=2)
            probability[top : top + _ROWS] = _mean_sigmoid(enlarged)
        return probability

    def runs(self, threshold: float) -> RunLengths:
        """Return the mask: where the probability reaches the threshold, above 0, below 1.

        Of a single pass it is where the enlarged logit reaches the threshold's logit.
        """
        rows = self._rows.interpolate(self._reduced, slice(0, self.size[0]), axis=1)
        # One pass needs no sigmoid, which is monotonic.
        single = len(rows) == 1
        level = np.float32(math.log(threshold / (1 - threshold)) if single else threshold)
        lesion, undecided = (_cells_of_one if single else _cells_of_several)(rows, level)
        row, cell = np.divmod(np.flatnonzero(undecided), undecided.shape[1])
        start, end = rows[:, row, cell][:, :, None], rows[:, row, cell + 1][:, :, None]
        values = start + self._columns.weights_of_cells[cell] * (end - start)
        pixels = (values[0] if single else _mean_sigmoid(values)) >= level
        changes = self._changes(lesion, row, cell, pixels)
        return RunLengths(self.size, changes[0::2], changes[1::2])

    def _changes(
        self, lesion: np.ndarray, row: np.ndarray, cell: np.ndarray, pixels: np.ndarray
    ) -> np.ndarray:
        """Positions, as `RunLengths` counts them, of the pixels that are not as those before them.

        Args:
            lesion: Bool (H, cells), of those that are not undecided.
            row: Of the undecided cells.
            cell: Of the undecided cells.
            pixels: Bool (undecided cells, most pixels of a cell).
        """
        width = self.size[1]
        begins, counts = self._columns.begins, self._columns.counts
        first, last = lesion, lesion.copy()
        first[row, cell] = pixels[:, 0]
        last[row, cell] = pixels[np.arange(len(cell)), counts[cell] - 1]
        between = np.concatenate([first[:, :1], last[:, :-1] != first[:, 1:], last[:, -1:]], axis=1)
        line, edge = np.divmod(np.flatnonzero(between), between.shape[1])
        at_edges = line * (width + 1) + np.append(begins, width)[edge]
        within = pixels[:, 1:] != pixels[:, :-1]
        within &= np.arange(1, pixels.shape[1]) < counts[cell][:, None]
        index, offset = np.nonzero(within)
        inside = row[index] * (width + 1) + begins[cell[index]] + offset + 1
        return np.sort(np.concatenate([at_edges, inside]))

    @cached_property
    def _reduced(self) -> np.ndarray:
        """The logits where they are no more than pixels: antialiased along sides that are longer.

        At least two by two of them, so that there is something between which to interpolate.
        """
        logits = self.logits
        for axis, length in ((1, self.size[0]), (2, self.size[1])):
            if logits.shape[axis] > length:
                weights = _antialiasing(logits.shape[axis], length)
                logits = np.moveaxis(np.moveaxis(logits, axis, -1) @ weights, -1, axis)
            if logits.shape[axis] == 1:
                logits = np.repeat(logits, 2, axis)
        return logits

    @cached_property
    def _rows(self) -> _Interpolation:
        return _Interpolation.between(self._reduced.shape[1], self.size[0])

    @cached_property
    def _columns(self) -> _Interpolation:
        return _Interpolation.between(self._reduced.shape[2], self.size[1])


@dataclasses.dataclass(frozen=True, eq=False)
class _Interpolation:
    """Which two values each of N pixels along an axis lies between, and how near to the second.

    Attributes:
        cell: int64 (N,), index of the first of the two, ascending.
        weight: float32 (N,), of the second, 0..1.
    """

    cell: np.ndarray
    weight: np.ndarray

    @classmethod
    def between(cls, values: int, pixels: int) -> _Interpolation:
        # Pixels are areas and positions their centers, as torch has it with align_corners=False.
        position = (np.arange(pixels) + 0.5) * (values / pixels) - 0.5
        position = position.clip(0, values - 1)
        cell = np.minimum(position.astype(np.int64), values - 2)
        return cls(cell, (position - cell).astype(np.float32))

    def interpolate(self, values: np.ndarray, pixels: slice, axis: int) -> np.ndarray:
        """Return the values (passes, ..., ...) at some of the pixels."""
        cell = self.cell[pixels]
        weight = self.weight[pixels] if axis == 2 else self.weight[pixels, None]
        start, end = values.take(cell, axis), values.take(cell + 1, axis)
        end -= start
        end *= weight
        end += start
        return end

    @cached_property
    def begins(self) -> np.ndarray:
        """The first pixel of each cell, int64 (cells,); none is without pixels."""
        return np.searchsorted(self.cell, np.arange(self.cell[-1] + 1))

    @cached_property
    def counts(self) -> np.ndarray:
        """The number of pixels of each cell, int64 (cells,)."""
        return np.diff(self.begins, append=len(self.cell))

    @cached_property
    def weights_of_cells(self) -> np.ndarray:
        """``weight`` by cell and place in it, float32 (cells, most pixels); the rest is filled."""
        pixel = self.begins[:, None] + np.arange(self.counts.max())
        weights: np.ndarray = self.weight[np.minimum(pixel, len(self.weight) - 1)]
        return weights


def _cells_of_one(rows: np.ndarray, level: np.float32) -> tuple[np.ndarray, np.ndarray]:
    """Which cells between logits are lesion, and which undecided, bool (H, w - 1) each."""
    ends = rows[0] >= level
    return ends[:, :-1].copy(), ends[:, :-1] != ends[:, 1:]


def _cells_of_several(rows: np.ndarray, level: np.float32) -> tuple[np.ndarray, np.ndarray]:
    """The same for the mean of several passes' sigmoids, which lies between those of the ends."""
    ends = _sigmoid(rows)
    left, right = ends[:, :, :-1], ends[:, :, 1:]
    lesion = np.minimum(left, right).mean(axis=0) >= level
    return lesion, lesion != (np.maximum(left, right).mean(axis=0) >= level)


def _antialiasing(values: int, pixels: int) -> np.ndarray:
    """Weights (values, pixels), float32: a triangle as wide as two pixels around each pixel."""
    scale = values / pixels
    centers = (np.arange(pixels) + 0.5) * scale
    weights: np.ndarray = 1 - np.abs(np.arange(values)[:, None] + 0.5 - centers) / scale
    weights = weights.clip(0)
    weights /= weights.sum(axis=0)
    return weights.astype(np.float32)


def _mean_sigmoid(logits: np.ndarray) -> np.ndarray:
    mean: np.ndarray = _sigmoid(logits).mean(axis=0)
    return mean


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    # The exponential of a logit far below zero is infinite, and the sigmoid rightly zero.
    with np.errstate(over="ignore"):
        sigmoid: np.ndarray = 1 / (1 + np.exp(-logits))
    return sigmoid
