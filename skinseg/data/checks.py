"""Errors in a data set, found before hours of training are spent on it."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from skinseg.data.datasets import SegmentationDataset
from skinseg.data.decoding import MIN_SIDE, ImageError
from skinseg.data.images import image_size, read_image
from skinseg.data.mask_values import MaskValuesError
from skinseg.data.pairs import BrokenDatasetError, DatasetError
from skinseg.formatting import counted
from skinseg.progress import progress_bar

_HEADINGS = {
    "unreadable": "files that cannot be read",
    "image_without_mask": "images without a mask",
    "too_small": f"images with a side of fewer than {MIN_SIDE} pixels",
    "size_mismatch": "masks of another size than their image",
    "unknown_values": "masks whose values mean nothing",
    "not_binary": "masks that are not binary",
    "empty_mask": "masks without lesion",
    "duplicate": "images with the same pixels",
    "mask_without_image": "masks without an image",
}

# Levels within this distance of black and white are rounding or compression, not gray.
_NEAR = 16
# Interpolated edges make a few percent of a mask gray; more is another kind of picture.
_GRAY_FRACTION = 0.1
# Edges are lines: gray pixels with four neighbors of their own level are an area, a label.
_AREA = 9
_LISTED = 10


@dataclass(frozen=True)
class Finding:
    """One thing that `check_dataset` found.

    Attributes:
        kind: `"unreadable"`, `"image_without_mask"`, `"too_small"`, `"size_mismatch"`,
            `"unknown_values"`, `"not_binary"`, `"empty_mask"`, `"duplicate"` or
            `"mask_without_image"`.
        ids: The samples concerned; none for a mask without an image.
        message: What was found, with the names of the files.
        broken: Whether training must not start: the sample cannot be loaded, or its mask means
            nothing. What may be intended (an empty mask) or does no harm is not broken.
        remedy: What to do, where that depends on the file.
    """

    kind: str
    ids: tuple[str, ...]
    message: str
    broken: bool
    remedy: str = ""


@dataclass(frozen=True)
class DatasetReport:
    """What `check_dataset` found.

    Attributes:
        dataset: The data set, in words.
        findings: Everything found, broken or not, in the order of the samples.

    Example:
        >>> report = DatasetReport("3 samples", ())
        >>> report.ok, report.summary()
        (True, '3 samples: nothing to complain of.')
    """

    dataset: str
    findings: tuple[Finding, ...]

    def __repr__(self) -> str:
        """The data set, and how much of what was found."""
        return f"<DatasetReport of {self.summary().splitlines()[0].rstrip('.:')}>"

    @property
    def ok(self) -> bool:
        """Whether nothing is broken; remarks such as empty masks or duplicates may remain."""
        return not any(finding.broken for finding in self.findings)

    def of_kind(self, kind: str) -> list[Finding]:
        """The findings of one kind (see `Finding.kind`).

        Raises:
            ValueError: There is no such kind.
        """
        if kind not in _HEADINGS:
            raise ValueError(f"Unknown kind {kind!r}. Choose from {', '.join(_HEADINGS)}.")
        return [finding for finding in self.findings if finding.kind == kind]

    def summary(self) -> str:
        """The findings as text: a line of totals, then for each kind its first cases."""
        if not self.findings:
            return f"{self.dataset}: nothing to complain of."
        broken = sum(finding.broken for finding in self.findings)
        lines = [f"{self.dataset}: {broken} broken, {len(self.findings) - broken} to look at."]
        for kind, heading in _HEADINGS.items():
            found = self.of_kind(kind)
            if found:
                lines.append(f"{heading.capitalize()} ({len(found)}):")
                lines += [f"  {finding.message}" for finding in found[:_LISTED]]
            if len(found) > _LISTED:
                lines.append(f"  ... and {len(found) - _LISTED} more")
            if found and found[0].remedy:
                lines.append(f"  {found[0].remedy}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as JSON data.

        Example:
            >>> DatasetReport("3 samples", ()).to_dict()
            {'dataset': '3 samples', 'ok': True, 'findings': []}
        """
        findings = [
            {**dataclasses.asdict(finding), "ids": list(finding.ids)} for finding in self.findings
        ]
        return {"dataset": self.dataset, "ok": self.ok, "findings": findings}

    def raise_if_broken(self) -> None:
        """Raise if something is broken, and do nothing otherwise.

        Raises:
            BrokenDatasetError: Something is broken; the message is the summary.
        """
        if not self.ok:
            raise BrokenDatasetError(
                f"{self.summary()}\nCorrect the files, or leave the samples out with `subset`."
            )


Observer = Callable[[int, np.ndarray, np.ndarray], None]
"""Take the index of a sample, its image, and its mask as `uint8` `(H, W)` levels."""


def check_dataset(
    dataset: SegmentationDataset, progress: bool = True, *, observer: Observer | None = None
) -> DatasetReport:
    """Read every image and mask once and report what is wrong with them.

    Found are files that cannot be read, images without masks and masks without images, images of
    a few pixels, masks of another size than their image, masks of values that mean nothing, masks
    that are not binary or have several labels, masks without lesion, and images with the same
    pixels. Several threads decode; memory for a few images is enough.

    Args:
        dataset: Any data set of this package, or a subset of one.
        progress: Whether to show a progress bar on standard error.
        observer: Called with each sample that can be loaded while it is in memory, from several
            threads, so that measuring a data set needs no second reading.

    Returns:
        The report. No error in the files raises.

    Example:
        >>> from skinseg.data import SyntheticDermoscopy
        >>> check_dataset(SyntheticDermoscopy(2, size=64), progress=False).ok
        True
    """
    findings: list[Finding] = []
    ids_of: dict[bytes, list[str]] = {}
    inspections = _inspections(dataset, progress, observer)
    for name, (found, digest) in zip(dataset.ids, inspections, strict=True):
        findings += found
        if digest is not None:
            ids_of.setdefault(digest, []).append(name)
    for ids in ids_of.values():
        if len(ids) > 1:
            message = f"{', '.join(ids)} are one image; keep them in one part of a split"
            findings.append(Finding("duplicate", tuple(ids), message, broken=False))
    for path in getattr(dataset, "stray_masks", ()):
        findings.append(Finding("mask_without_image", (), f"'{path}'", broken=False))
    name = f"{type(dataset).__name__}: {counted(len(dataset), 'sample')}"
    return DatasetReport(name, tuple(findings))


_Inspection = tuple[list[Finding], bytes | None]


def _inspections(
    dataset: SegmentationDataset, progress: bool, observer: Observer | None
) -> Iterator[_Inspection]:
    executor = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
    try:
        results = executor.map(partial(_inspect, dataset, observer), range(len(dataset)))
        with progress_bar(shown=progress) as bar:
            yield from bar.track(results, len(dataset), description="checking")
    finally:
        # An interrupted check ends now, not after the files that still wait.
        executor.shutdown(cancel_futures=True)


def _inspect(dataset: SegmentationDataset, observer: Observer | None, index: int) -> _Inspection:
    """The findings of one sample, and a digest of its image's pixels if it could be read."""
    name = dataset.ids[index]
    image: np.ndarray | None
    levels: np.ndarray | None
    image_path, mask_path = dataset.image_path(index), dataset.mask_path(index)
    if image_path is None:
        sample = dataset[index]
        image, levels = sample.image, sample.mask * np.uint8(255)
        findings = _side_findings(name, f"the image of {name}", image)
        findings += _mask_findings(name, f"the mask of {name}", levels)
    else:
        image, findings = _read(read_image, image_path, name)
        if mask_path is None:
            missing = Finding("image_without_mask", (name,), f"'{image_path}'", broken=True)
            return [*findings, missing], _digest(image)
        if image is not None:
            findings += _side_findings(name, f"'{image_path}'", image)
        findings += _size_findings(name, image_path, mask_path)
        levels, unreadable = _read(dataset.mask_levels, index, name)
        findings += unreadable
        if levels is not None:
            findings += _mask_findings(name, f"'{mask_path}'", levels)
    sound = not any(finding.broken for finding in findings)
    if observer is not None and sound and image is not None and levels is not None:
        observer(index, image, levels)
    return findings, _digest(image)


def _read(
    read: Callable[[Any], np.ndarray], source: Any, name: str
) -> tuple[np.ndarray | None, list[Finding]]:
    try:
        return read(source), []
    except MaskValuesError as error:
        finding = Finding("unknown_values", (name,), error.what, broken=True, remedy=error.remedy)
        return None, [finding]
    except DatasetError as error:
        return None, [Finding("unknown_values", (name,), str(error), broken=True)]
    except ImageError as error:
        return None, [Finding("unreadable", (name,), str(error), broken=True)]


def _digest(image: np.ndarray | None) -> bytes | None:
    if image is None:
        return None
    shape = str(image.shape).encode()
    return hashlib.blake2b(image.tobytes(), digest_size=16, key=shape).digest()


def _side_findings(name: str, image: str, pixels: np.ndarray) -> list[Finding]:
    height, width = pixels.shape[:2]
    if min(height, width) >= MIN_SIDE:
        return []
    message = f"{image} is {width} x {height}, and a lesion needs {MIN_SIDE} x {MIN_SIDE} pixels"
    return [Finding("too_small", (name,), message, broken=True)]


def _size_findings(name: str, image_path: Path, mask_path: Path) -> list[Finding]:
    # From the headers, so that a damaged file is still known to have the wrong size.
    with suppress(ImageError):
        image, mask = image_size(image_path), image_size(mask_path)
        if image != mask:
            message = (
                f"'{mask_path}' is {mask[1]} x {mask[0]}, "
                f"its image '{image_path}' {image[1]} x {image[0]}"
            )
            return [Finding("size_mismatch", (name,), message, broken=True)]
    return []


def _mask_findings(name: str, mask: str, levels: np.ndarray) -> list[Finding]:
    counts = np.bincount(levels.ravel(), minlength=256)
    findings = []
    if np.count_nonzero(counts) > 2:
        gray = counts[_NEAR : 256 - _NEAR].sum() / levels.size
        message = (
            f"{mask} has {np.count_nonzero(counts)} levels, {gray:.1%} of its pixels are gray; "
            "lesion is above 127"
        )
        labels = _labels(levels)
        if len(labels) > 2:
            message = (
                f"{mask} has several labels ({', '.join(map(str, labels))}) where skin and lesion "
                "are expected; save it with 0 for skin and 255 for lesion"
            )
        broken = len(labels) > 2 or bool(gray > _GRAY_FRACTION)
        findings.append(Finding("not_binary", (name,), message, broken=broken))
    if levels.max() <= 127:
        message = f"{mask} marks no pixel; its highest level is {levels.max()} of 255"
        findings.append(Finding("empty_mask", (name,), message, broken=False))
    return findings


def _labels(levels: np.ndarray) -> list[int]:
    """Levels that fill areas; those near black and white count as these, unless all are dark."""
    if levels.max() >= _NEAR:
        levels = np.where(levels < _NEAR, 0, np.where(levels >= 256 - _NEAR, 255, levels))
    center = levels[1:-1, 1:-1]
    inside = (center == levels[:-2, 1:-1]) & (center == levels[2:, 1:-1])
    inside &= (center == levels[1:-1, :-2]) & (center == levels[1:-1, 2:])
    return np.flatnonzero(np.bincount(center[inside], minlength=256) >= _AREA).tolist()
