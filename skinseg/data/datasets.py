"""What every data set of lesion images offers, and the one form of those that are files."""

import contextlib
import copy
import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skinseg.data.images import read_image, read_mask_levels
from skinseg.data.levels import is_lesion
from skinseg.data.pairs import DatasetError, Pair, composed
from skinseg.formatting import counted

if TYPE_CHECKING:
    from typing_extensions import Self

_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with its lesion mask.

    Attributes:
        id: The name of the sample in its data set.
        image: RGB, `uint8` `(H, W, 3)`, values 0 to 255.
        mask: `bool` `(H, W)`, `True` is lesion.
    """

    id: str
    image: np.ndarray
    mask: np.ndarray


class SegmentationDataset(ABC):
    """Lesion images with masks, in a fixed order, decoded when asked for.

    Anything with `len(dataset)` and `dataset[i]` takes it. Images of different sizes become a batch
    in PyTorch's `DataLoader(dataset, collate_fn=Collate(256))`; see `Collate`.

    Attributes:
        ids: The name of each sample, no two alike.
    """

    ids: list[str]

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.ids)

    def __repr__(self) -> str:
        """The kind of data set, its length, and what else is to be known of it."""
        about = [counted(len(self), "sample"), *self._about()]
        return f"<{type(self).__name__}: {', '.join(about)}>"

    def _about(self) -> list[str]:
        """What `repr` says after the length."""
        return []

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Decode one sample; `IndexError` beyond the end."""

    def __iter__(self) -> Iterator[Sample]:
        """Decode the samples one after the other."""
        return (self[index] for index in range(len(self)))

    @abstractmethod
    def image_path(self, index: int) -> Path | None:
        """The image file of a sample; `None` if it is no file."""

    @abstractmethod
    def mask_path(self, index: int) -> Path | None:
        """The mask file of a sample; `None` if there is none."""

    def mask_levels(self, index: int) -> np.ndarray:
        """The mask of a sample as `uint8` `(H, W)`, of which what is above 127 is lesion."""
        levels: np.ndarray = self[index].mask * np.uint8(255)
        return levels

    @abstractmethod
    def _select(self, indices: Sequence[int]) -> "Self":
        """The data set of these samples alone, in this order."""

    def subset(self, ids: Sequence[str] | str | os.PathLike[str]) -> "Self":
        """The samples of the given ids, in the given order.

        Args:
            ids: The ids, or the path of a split file (see `read_split`).

        Returns:
            A data set of the same kind.

        Raises:
            DatasetError: An id is unknown or given twice, or the split file cannot be read.

        Example:
            >>> from skinseg.data import SyntheticDermoscopy
            >>> dataset = SyntheticDermoscopy(3)
            >>> dataset.subset(dataset.ids[:2])
            <SyntheticDermoscopy: 2 samples>
        """
        origin = ""
        if isinstance(ids, str | os.PathLike):
            origin = f" in '{os.fspath(ids)}'"
            ids = read_split(ids)
        ids = [composed(name) for name in ids]
        index_of = {composed(name): index for index, name in enumerate(self.ids)}
        unknown = [name for name in ids if name not in index_of]
        if unknown:
            raise DatasetError(
                f"Not in the data set: {len(unknown)} of {counted(len(ids), 'id')}{origin}, "
                f"{_some(unknown)}. Its ids look like {_some(self.ids[:1])}."
            )
        if len(set(ids)) < len(ids):
            twice = sorted({name for name in ids if list(ids).count(name) > 1})
            raise DatasetError(f"{counted(len(twice), 'id')}{origin} given twice: {_some(twice)}.")
        return self._select([index_of[name] for name in ids])

    def random_split(
        self,
        fractions: Sequence[float],
        seed: int = 0,
        groups: Mapping[str, str] | None = None,
    ) -> "list[Self]":
        """Split at random, the same way for the same ids and seed on any machine.

        Args:
            fractions: The fraction of each part, such as `(0.8, 0.2)`; they add up to 1.
            seed: Another seed gives another split.
            groups: The patient or lesion that each id belongs to. Samples of one group stay in
                one part, so the parts only come near the fractions.

        Returns:
            One data set for each fraction; inside each, the samples keep their order.

        Raises:
            DatasetError: The fractions are not positive or do not add up to 1, a part would be
                empty, or an id is in no group.

        Example:
            >>> from skinseg.data import SyntheticDermoscopy
            >>> train, val = SyntheticDermoscopy(10).random_split((0.8, 0.2))
            >>> len(train), len(val)
            (8, 2)
        """
        if min(fractions, default=0) <= 0 or abs(sum(fractions) - 1) > 1e-6:
            raise DatasetError(
                f"fractions={tuple(fractions)} must be positive and add up to 1, as (0.8, 0.2)."
            )
        members = self._members(groups)
        names = sorted(members)
        ends = [round(end * len(self)) for end in accumulate(fractions)]
        parts: list[list[int]] = [[] for _ in fractions]
        placed = part = 0
        for number in np.random.default_rng(seed).permutation(len(names)):
            while placed >= ends[part]:
                part += 1
            parts[part] += members[names[number]]
            placed += len(members[names[number]])
        if not all(parts):
            asked = " and ".join(f"{fraction:.4g}" for fraction in fractions)
            raise DatasetError(
                f"Too few images to split by {asked}: of {self._in_groups(names)}, a part would be "
                "empty. Ask for fewer or larger parts."
            )
        return [self._select(sorted(part)) for part in parts]

    def folds(
        self, count: int, seed: int = 0, groups: Mapping[str, str] | None = None
    ) -> "list[tuple[Self, Self]]":
        """Split for cross-validation: each sample is among the others in all folds but one.

        The split is the same for the same ids and seed on any machine.

        Args:
            count: The number of folds, 2 or more.
            seed: Another seed gives another split.
            groups: The patient or lesion that each id belongs to. Samples of one group are on one
                side of every fold; large groups are shared out first, so that the folds are of
                nearly equal size.

        Returns:
            For each fold the samples to learn from, and those to validate on.

        Raises:
            DatasetError: There are fewer groups than folds, or an id is in no group.

        Example:
            >>> from skinseg.data import SyntheticDermoscopy
            >>> [(len(train), len(val)) for train, val in SyntheticDermoscopy(10).folds(4)]
            [(7, 3), (7, 3), (8, 2), (8, 2)]
        """
        members = self._members(groups)
        if not 2 <= count <= len(members):
            raise DatasetError(
                f"folds must be 2 or more, and no more than the groups that stay together, not "
                f"{count}; there are {self._in_groups(members)}."
            )
        names = sorted(members)
        order = [names[number] for number in np.random.default_rng(seed).permutation(len(names))]
        parts: list[list[int]] = [[] for _ in range(count)]
        for name in sorted(order, key=lambda name: -len(members[name])):
            min(parts, key=len).extend(members[name])
        everything = set(range(len(self)))
        return [
            (self._select(sorted(everything - set(part))), self._select(sorted(part)))
            for part in parts
        ]

    def _in_groups(self, groups: Collection[str]) -> str:
        return f"{counted(len(self), 'image')} in {counted(len(groups), 'group')}"

    def _members(self, groups: Mapping[str, str] | None) -> dict[str, list[int]]:
        if groups is None:
            return {name: [index] for index, name in enumerate(self.ids)}
        members: dict[str, list[int]] = {}
        for index, group in enumerate(groups_of(self.ids, groups)):
            members.setdefault(group, []).append(index)
        return members


class PairDataset(SegmentationDataset):
    """Image files with mask files, given pair by pair; the base of the data sets on disk.

    Two of them are joined by `+`. An image without a mask is kept, so that `check_dataset` can
    report it, and raises when it is asked for.

    Args:
        pairs: The files. Nothing is opened yet.
        stray_masks: Mask files that belong to no image.

    Attributes:
        ids: The id of each pair.
        stray_masks: As given; empty after `subset` and `random_split`.

    Raises:
        DatasetError: Two pairs have the same id.

    Example:
        >>> dataset = PairDataset([Pair("x", Path("x.jpg"), Path("x_mask.png"))])
        >>> dataset.ids, dataset.mask_path(0).name
        (['x'], 'x_mask.png')
    """

    def __init__(self, pairs: Sequence[Pair], stray_masks: Sequence[Path] = ()) -> None:
        self._pairs = list(pairs)
        self.ids = [pair.id for pair in self._pairs]
        self.stray_masks = list(stray_masks)
        if len(set(self.ids)) < len(self.ids):
            twice = sorted({name for name in self.ids if self.ids.count(name) > 1})
            raise DatasetError(
                f"{counted(len(twice), 'id')} twice: {_some(twice)}. Rename the files of one of "
                "each."
            )

    def __getitem__(self, index: int) -> Sample:
        """Decode an image and its mask.

        Raises:
            DatasetError: The image has no mask, or one of another size.
            ImageError: A file cannot be read.
            IndexError: There is no such sample.
        """
        pair, mask_file = self._pairs[index], self._existing_mask(index)
        image, mask = read_image(pair.image), is_lesion(self.mask_levels(index))
        if image.shape[:2] != mask.shape:
            raise DatasetError(
                f"'{mask_file}' is {mask.shape[1]} x {mask.shape[0]}, but its image "
                f"'{pair.image}' is {image.shape[1]} x {image.shape[0]}. Export both at one size."
            )
        return Sample(pair.id, image, mask)

    def __add__(self, other: "PairDataset") -> "PairDataset":
        """Both data sets as one, this one's samples first.

        Raises:
            DatasetError: One of them reads its masks in a way of its own, as `AnyLabel` does.
        """
        if not isinstance(other, PairDataset):
            return NotImplemented
        for part in (self, other):
            if type(part).mask_levels is not PairDataset.mask_levels:
                kind = type(part).__name__
                raise DatasetError(
                    f"{part!r} says what the labels of its masks mean, which the joined data set "
                    f"would not know. Join the data sets first: {kind}(first + second, ...)."
                )
        return PairDataset(self._pairs + other._pairs, self.stray_masks + other.stray_masks)

    def _about(self) -> list[str]:
        without = sum(pair.mask is None for pair in self._pairs)
        about = [f"{without:,} without mask"] if without else []
        if self.stray_masks:
            about.append(counted(len(self.stray_masks), "mask") + " without image")
        # Of absolute and relative paths together there is no common one.
        with contextlib.suppress(ValueError):
            folder = os.path.commonpath([pair.image.parent for pair in self._pairs])
            about.append(f"images in '{folder or os.curdir}'")
        return about

    def renamed(self, ids: Sequence[str]) -> "Self":
        """The same samples under other ids.

        Args:
            ids: An id for each sample, no two alike.

        Raises:
            DatasetError: An id is given twice.
            ValueError: There are more or fewer ids than samples.

        Example:
            >>> dataset = PairDataset([Pair("x", Path("x.jpg"), Path("x_mask.png"))])
            >>> dataset.renamed(["val/x"]).ids
            ['val/x']
        """
        pairs = [
            Pair(name, pair.image, pair.mask) for name, pair in zip(ids, self._pairs, strict=True)
        ]
        chosen = copy.copy(self)
        PairDataset.__init__(chosen, pairs, self.stray_masks)
        return chosen

    def image_path(self, index: int) -> Path:
        """The image file of a sample."""
        return self._pairs[index].image

    def mask_path(self, index: int) -> Path | None:
        """The mask file of a sample; `None` if there is none."""
        return self._pairs[index].mask

    def mask_levels(self, index: int) -> np.ndarray:
        """The mask of a sample as `uint8` `(H, W)`, of which what is above 127 is lesion.

        Raises:
            DatasetError: The image has no mask.
            ImageError: The file cannot be read.
        """
        return read_mask_levels(self._existing_mask(index))

    def _existing_mask(self, index: int) -> Path:
        """The mask file of a sample.

        Raises:
            DatasetError: The image has no mask.
        """
        pair = self._pairs[index]
        if pair.mask is None:
            raise DatasetError(
                f"'{pair.image}' has no mask. Add '{pair.id}_mask.png', or leave the image out "
                "with `subset`."
            )
        return pair.mask

    def _select(self, indices: Sequence[int]) -> "Self":
        chosen = copy.copy(self)
        PairDataset.__init__(chosen, [self._pairs[index] for index in indices])
        return chosen


def read_split(path: str | os.PathLike[str]) -> list[str]:
    r"""Read a split file: one id per line; blank lines and lines that begin with `#` are skipped.

    Raises:
        DatasetError: The file cannot be read or holds no id.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "val.txt").write_text("# official\nISIC_0001769\n")
        ...     read_split(Path(folder, "val.txt"))
        ['ISIC_0001769']
    """
    try:
        # Editors on Windows begin a file with a byte order mark.
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(
            f"Cannot read the split file '{os.fspath(path)}': {reason}. "
            "Give a text file with one id per line."
        ) from error
    lines = (line.strip() for line in text.splitlines())
    ids = [line for line in lines if line and not line.startswith("#")]
    if not ids:
        raise DatasetError(
            f"The split file '{os.fspath(path)}' holds no id. Write one id per line into it."
        )
    return ids


def groups_of(ids: Sequence[str], groups: Mapping[str, str]) -> list[str]:
    """The group of each id, whichever of Unicode's forms the accents of a name have.

    Raises:
        DatasetError: An id has no group.
    """
    groups = {composed(name): group for name, group in groups.items()}
    missing = [name for name in ids if composed(name) not in groups]
    if missing:
        raise DatasetError(
            f"groups lacks {len(missing)} of {counted(len(ids), 'id')}: {_some(missing)}. "
            "Name a group for every id."
        )
    return [groups[composed(name)] for name in ids]


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return shown + (", ..." if len(names) > _SHOWN else "")
