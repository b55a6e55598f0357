"""What a folder of images holds, measured while its files are checked."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from skinseg.data import (
    BrokenDatasetError,
    DatasetReport,
    SegmentationDataset,
    check_dataset,
)
from skinseg.data.datasets import groups_of
from skinseg.data.levels import is_lesion
from skinseg.data.near_duplicates import fingerprint, near_duplicate_groups
from skinseg.formatting import counted

_LEAST_PICTURES = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Survey:
    """The images of a data set that can be used, and what is known of them.

    Attributes:
        dataset: The usable samples; the arrays below are in their order.
        left_out: Reason for each sample that cannot be used, by its id.
        sizes: int (N, 2), height and width.
        lesion_fractions: float (N,), fraction of each mask that is lesion.
        fingerprints: float32 (N, 16, 16, 3), of :func:`~skinseg.data.near_duplicates.fingerprint`.
        groups: int (N,), the same for images that show one picture.
    """

    dataset: SegmentationDataset
    left_out: dict[str, str]
    sizes: np.ndarray
    lesion_fractions: np.ndarray
    fingerprints: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        """The number of usable samples."""
        return len(self.dataset)

    @property
    def too_few(self) -> str | None:
        """Why training on these samples is refused, if they are too few."""
        pictures = len(set(self.groups.tolist()))
        if pictures >= _LEAST_PICTURES:
            return None
        return (
            f"{counted(len(self), 'image')} can be used, "
            f"of {counted(pictures, 'different picture')}; training needs {_LEAST_PICTURES} at the "
            "very least."
        )

    def group_of(self, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """The group of each sample by id, for ``random_split`` and ``folds``.

        Args:
            given: Patients or lesions by id, which may be those of others, too. Samples that share
                one are in one group, and so are samples that show one picture. Accents may be
                written in either of Unicode's forms.

        Raises:
            DatasetError: If a sample has none.
        """
        ids = self.dataset.ids
        label = np.arange(len(ids))
        keys = [np.unique(self.groups, return_inverse=True)[1]]
        if given is not None:
            keys.append(np.unique(groups_of(ids, given), return_inverse=True)[1])
        before = None
        while before is None or (label != before).any():
            before = label
            for key in keys:
                # All that share a key get the least label that one of them has.
                least = np.full(len(ids), len(ids))
                np.minimum.at(least, key, label)
                label = least[key]
        return dict(zip(ids, map(str, label), strict=True))

    def without(self, reasons: Mapping[str, str]) -> "Survey":
        """Leave further samples out, each for its reason."""
        kept = [index for index, name in enumerate(self.dataset.ids) if name not in reasons]
        return Survey(
            self.dataset.subset([self.dataset.ids[index] for index in kept]),
            {**self.left_out, **reasons},
            self.sizes[kept],
            self.lesion_fractions[kept],
            self.fingerprints[kept],
            self.groups[kept],
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON data."""
        height, width = self.sizes.T
        lesions = self.lesion_fractions[self.lesion_fractions > 0]
        return {
            "usable": len(self),
            "left_out": len(self.left_out),
            "width": _spread(width),
            "height": _spread(height),
            "lesion_fraction": _spread(lesions),
            "without_lesion": int((self.lesion_fractions == 0).sum()),
            "in_groups_of_near_duplicates": len(self) - _single(self.groups),
        }


def survey(dataset: SegmentationDataset, *, strict: bool = False, progress: bool = True) -> Survey:
    """Check all files of a data set and measure those that can be used, in one reading.

    Args:
        dataset: Images with masks.
        strict: Refuse the data set if anything is broken, rather than leave it out.
        progress: Show a progress bar on standard error.

    Raises:
        BrokenDatasetError: If nothing can be used, masks hold values that mean nothing, no mask
            marks a lesion, or something is broken and ``strict`` is set.

    Example:
        >>> from skinseg.data import SyntheticDermoscopy
        >>> found = survey(SyntheticDermoscopy(3, size=64), progress=False)
        >>> len(found), found.sizes[0].tolist(), found.left_out
        (3, [64, 64], {})
    """
    report, found = _measured(dataset, progress=progress)
    refusal = _refusal(report, found, strict=strict)
    if found is None or refusal is not None:
        raise BrokenDatasetError(f"{refusal} {report.summary()}")
    return found


def check_for_training(
    dataset: SegmentationDataset, *, strict: bool = False, progress: bool = True
) -> tuple[DatasetReport, str | None]:
    """Check all files of a data set, and tell whether :func:`plan_training` would refuse it.

    Args:
        dataset: Images with masks.
        strict: Refuse the data set if anything is broken.
        progress: Show a progress bar on standard error.

    Returns:
        What was found, and the reason why training is refused, or None.

    Example:
        >>> from skinseg.data import SyntheticDermoscopy
        >>> _, refusal = check_for_training(SyntheticDermoscopy(3, size=64), progress=False)
        >>> refusal
        '3 images can be used, of 3 different pictures; training needs 4 at the very least.'
    """
    report, found = _measured(dataset, progress=progress)
    refusal = _refusal(report, found, strict=strict)
    return report, refusal or (found.too_few if found is not None else None)


def _measured(
    dataset: SegmentationDataset, *, progress: bool
) -> tuple[DatasetReport, Survey | None]:
    """Check a data set and measure what can be used; None if nothing can."""
    measured: dict[int, tuple[tuple[int, int], float, np.ndarray]] = {}

    def measure(index: int, image: np.ndarray, levels: np.ndarray) -> None:
        lesion = float(is_lesion(levels).mean())
        measured[index] = (levels.shape, lesion, fingerprint(image))

    report = check_dataset(dataset, progress, observer=measure)
    if not measured:
        return report, None
    left_out: dict[str, str] = {}
    for finding in report.findings:
        if finding.broken:
            for name in finding.ids:
                left_out.setdefault(name, _reason(finding.kind, finding.message))
    order = sorted(measured)
    columns = zip(*(measured[index] for index in order), strict=True)
    sizes, lesions, fingerprints = (np.array(column) for column in columns)
    usable = dataset.subset([dataset.ids[index] for index in order])
    groups = near_duplicate_groups(fingerprints)
    return report, Survey(usable, left_out, sizes, lesions, fingerprints, groups)


def _refusal(report: DatasetReport, found: Survey | None, *, strict: bool) -> str | None:
    """Why training on a data set is refused, whatever part of it is for validation."""
    unknown = len(report.of_kind("unknown_values"))
    if unknown:
        # What these values mean may change the meaning of every other mask.
        return f"{counted(unknown, 'mask')} of values that mean nothing: say what they mean."
    if found is None:
        return "Nothing can be trained on."
    if strict and not report.ok:
        return "Something is broken; only without `strict` is it left out."
    if not found.lesion_fractions.any():
        return "No mask marks a lesion."
    return None


def seen_elsewhere(training: Survey, validation: Survey) -> dict[str, str]:
    """Return the training samples whose picture is among the validation images, with the reason."""
    both = np.concatenate([training.fingerprints, validation.fingerprints])
    groups = near_duplicate_groups(both)
    twin = dict(zip(groups[len(training) :].tolist(), validation.dataset.ids, strict=True))
    own = zip(training.dataset.ids, groups[: len(training)].tolist(), strict=True)
    return {
        name: f"shows the same picture as the validation image '{twin[group]}'"
        for name, group in own
        if group in twin
    }


def _reason(kind: str, message: str) -> str:
    return f"{message} has no mask" if kind == "image_without_mask" else message


def _single(groups: np.ndarray) -> int:
    return int((np.bincount(groups) == 1).sum())


def _spread(values: np.ndarray) -> dict[str, float]:
    if not len(values):
        return {}
    points = np.percentile(values, (0, 10, 50, 90, 100))
    names = ("least", "tenth", "median", "nine_tenths", "most")
    return {name: round(float(point), 6) for name, point in zip(names, points, strict=True)}
