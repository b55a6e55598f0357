"""A mask as the runs of its lesion pixels, which are few where its pixels are millions."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class RunLengths:
    """The run-length encoding of a mask (H, W), row by row.

    Pixel (y, x) has position ``y * (W + 1) + x``: after each row there is one place that is never
    lesion, so that no run goes on in the next row.

    Attributes:
        shape: (H, W) of the mask.
        starts: int64 (N,), positions of the first pixel of each run, ascending.
        ends: int64 (N,), positions after the last pixel of each run.

    Example:
        >>> runs = RunLengths.from_mask(np.eye(3, 5, 1, bool))
        >>> runs.starts.tolist(), runs.ends.tolist()
        ([1, 8, 15], [2, 9, 16])
        >>> runs.area, runs.bounding_box, runs.components
        (3, (1, 0, 3, 3), 1)
    """

    shape: tuple[int, int]
    starts: np.ndarray
    ends: np.ndarray

    @classmethod
    def from_mask(cls, mask: np.ndarray) -> "RunLengths":
        """Encode a bool mask (H, W)."""
        height, width = mask.shape
        # One place more at the front, so that a run may start at the first pixel.
        padded = np.zeros(height * (width + 1) + 1, bool)
        padded[1:].reshape(height, width + 1)[:, :width] = mask
        changes = np.flatnonzero(padded[1:] != padded[:-1])
        return cls((height, width), changes[0::2], changes[1::2])

    def to_mask(self) -> np.ndarray:
        """Return the mask, bool (H, W)."""
        height, width = self.shape
        padded = np.zeros(height * (width + 1), bool)
        for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True):
            padded[start:end] = True
        return np.ascontiguousarray(padded.reshape(height, width + 1)[:, :width])

    @property
    def area(self) -> int:
        """Number of lesion pixels."""
        return int((self.ends - self.starts).sum())

    @property
    def bounding_box(self) -> tuple[int, int, int, int] | None:
        """Smallest upright box, (x, y, width, height) in pixels, or None for an empty mask.

        x counts from the left edge, y from the top.
        """
        if not len(self.starts):
            return None
        stride = self.shape[1] + 1
        top, bottom = int(self.starts[0]) // stride, int(self.starts[-1]) // stride
        left, right = int((self.starts % stride).min()), int((self.ends % stride).max())
        return left, top, right - left, bottom - top + 1

    @property
    def components(self) -> int:
        """Number of connected parts; pixels that touch at an edge or a corner are connected."""
        label = np.arange(len(self.starts))
        above, below = self._neighbors()
        while True:
            if (label[above] == label[below]).all():
                return int(np.count_nonzero(label == np.arange(len(label))))
            smaller = np.minimum(label[above], label[below])
            # Each part's label becomes the smaller of the two that meet, ...
            np.minimum.at(label, label[above], smaller)
            np.minimum.at(label, label[below], smaller)
            # ... and every run asks its label for that one's label, until none knows a smaller.
            while (label != label[label]).any():
                label = label[label]

    def _neighbors(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices of all pairs of runs that touch, of which one is in the row below the other."""
        stride = self.shape[1] + 1
        first = np.searchsorted(self.ends, self.starts + stride, "left")
        after = np.searchsorted(self.starts, self.ends + stride, "right")
        counts = np.maximum(after - first, 0)
        above = np.repeat(np.arange(len(first)), counts)
        offsets = np.arange(len(above)) - np.repeat(np.cumsum(counts) - counts, counts)
        return above, first[above] + offsets
