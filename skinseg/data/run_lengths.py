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
        label = self.component_labels(corners=True)
        return int(np.count_nonzero(label == np.arange(len(label))))

    def largest_component(self) -> "RunLengths":
        """The connected part of most pixels alone; the upper one of two that are as large.

        Pixels that touch at an edge or a corner are connected, as :attr:`components` counts them.

        Example:
            >>> RunLengths.from_mask(np.array([[1, 0, 1, 1]], bool)).largest_component().area
            2
        """
        if not len(self.starts):
            return self
        label = self.component_labels(corners=True)
        areas = np.bincount(label, self.ends - self.starts)
        kept = label == areas.argmax()
        return RunLengths(self.shape, self.starts[kept], self.ends[kept])

    def fill_holes(self) -> "RunLengths":
        """The mask with its holes filled: skin from which no path over edges leads to the frame.

        The same as ``scipy.ndimage.binary_fill_holes``.

        Example:
            >>> ring = np.ones((3, 3), bool)
            >>> ring[1, 1] = False
            >>> RunLengths.from_mask(ring).fill_holes().area
            9
        """
        skin = self._skin()
        height, stride = self.shape[0], self.shape[1] + 1
        row, left = np.divmod(skin.starts, stride)
        at_frame = (row == 0) | (row == height - 1) | (left == 0)
        at_frame |= skin.ends % stride == stride - 1
        label = skin.component_labels(corners=False)
        hole = ~np.isin(label, label[at_frame])
        starts = np.sort(np.concatenate([self.starts, skin.starts[hole]]))
        ends = np.sort(np.concatenate([self.ends, skin.ends[hole]]))
        # Where one ends and the next begins, both are one run.
        apart = starts[1:] != ends[:-1]
        return RunLengths(
            self.shape,
            starts[np.concatenate([[True], apart])] if len(starts) else starts,
            ends[np.concatenate([apart, [True]])] if len(ends) else ends,
        )

    def _skin(self) -> "RunLengths":
        """The runs of what is no lesion, row by row."""
        height, stride = self.shape[0], self.shape[1] + 1
        between_rows = np.arange(1, height + 1) * stride - 1
        starts = np.concatenate([[0], np.sort(np.concatenate([self.ends, between_rows + 1]))])
        ends = np.sort(np.concatenate([self.starts, between_rows, [height * stride]]))
        some = ends > starts
        return RunLengths(self.shape, starts[some], ends[some])

    def component_labels(self, *, corners: bool) -> np.ndarray:
        """The index of the first run of the part that each run belongs to, int64 (N,).

        Args:
            corners: Whether pixels that touch at a corner alone are connected.
        """
        label = np.arange(len(self.starts))
        above, below = self._neighbors(corners=corners)
        while (label[above] != label[below]).any():
            smaller = np.minimum(label[above], label[below])
            # Each part's label becomes the smaller of the two that meet, ...
            np.minimum.at(label, label[above], smaller)
            np.minimum.at(label, label[below], smaller)
            # ... and every run asks its label for that one's label, until none knows a smaller.
            while (label != label[label]).any():
                label = label[label]
        return label

    def _neighbors(self, *, corners: bool) -> tuple[np.ndarray, np.ndarray]:
        """Indices of all pairs of runs that touch, of which one is in the row below the other.

        Args:
            corners: Whether to touch at a corner is to touch.
        """
        stride = self.shape[1] + 1
        # Positions are whole: to touch at an edge is to reach one place further than at a corner.
        reach = 0 if corners else 1
        first = np.searchsorted(self.ends, self.starts + stride + reach, "left")
        after = np.searchsorted(self.starts, self.ends + stride - reach, "right")
        counts = np.maximum(after - first, 0)
        above = np.repeat(np.arange(len(first)), counts)
        offsets = np.arange(len(above)) - np.repeat(np.cumsum(counts) - counts, counts)
        return above, first[above] + offsets
