"""What is done to a mask after the threshold."""

from __future__ import annotations

import dataclasses

from skinseg.data.run_lengths import RunLengths


@dataclasses.dataclass(frozen=True)
class Postprocessing:
    """Changes of a mask, in this order; by default none.

    Attributes:
        fill_holes: Skin that is enclosed by lesion becomes lesion.
        largest_component: Of several connected parts, the one of most pixels remains.

    Example:
        >>> import numpy as np
        >>> mask = np.array([[1, 1, 1, 0, 1], [1, 0, 1, 0, 0], [1, 1, 1, 0, 0]], bool)
        >>> steps = Postprocessing(fill_holes=True, largest_component=True)
        >>> steps(RunLengths.from_mask(mask)).to_mask().astype(int).tolist()
        [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 0, 0]]
    """

    fill_holes: bool = False
    largest_component: bool = False

    def __bool__(self) -> bool:
        """Whether it may change anything."""
        return self.fill_holes or self.largest_component

    def __call__(self, runs: RunLengths) -> RunLengths:
        """Return the changed mask."""
        # A ring is as large as the lesion that it encloses, so holes come first.
        if self.fill_holes:
            runs = runs.fill_holes()
        return runs.largest_component() if self.largest_component else runs
