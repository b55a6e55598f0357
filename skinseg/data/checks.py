"""Faults of a data set, found before hours of training are spent on it."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from skinseg.data.datasets import SegmentationDataset
from skinseg.data.images import ImageError, image_size, read_image, read_mask_levels
from skinseg.data.pairs import DatasetError

_HEADINGS = {
    "unreadable": "files that cannot be read",
    "image_without_mask": "images without a mask",
    "size_mismatch": "masks of another size than their image",
    "not_binary": "masks that are not binary",
    "empty_mask": "masks without lesion",
    "duplicate": "images with the same pixels",
    "mask_without_image": "masks without an image",
}

# Levels within this distance of black and white are rounding or compression, not grey.
_NEAR = 16
# Interpolated edges make a few per cent of a mask grey; more is another kind of picture.
_GREY_SHARE = 0.1
_LISTED = 10


@dataclass(frozen=True)
class Finding:
    """One thing that `check_dataset` found.

    Attributes:
        kind: `"unreadable"`, `"image_without_mask"`, `"size_mismatch"`, `"not_binary"`,
            `"empty_mask"`, `"duplicate"` or `"mask_without_image"`.
        ids: The samples concerned; none for a mask without an image.
        message: What was found, with the names of the files.
        broken: Whether training must not start: the sample cannot be loaded, or its mask means
            nothing. What may be intended (an empty mask) or does no harm is not broken.
    """

    kind: str
    ids: tuple[str, ...]
    message: str
    broken: bool


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
            raise ValueError(f"Unknown kind {kind!r}. Choose from {list(_HEADINGS)}.")
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
                lines.append(f"{len(found)} {heading}:")
                lines += [f"  {finding.message}" for finding in found[:_LISTED]]
            if len(found) > _LISTED:
                lines.append(f"  ... and {len(found) - _LISTED} more")
        return "\n".join(lines)

    def raise_if_broken(self) -> None:
        """Does nothing if the report is `ok`.

        Raises:
            DatasetError: Something is broken; the message is the summary.
        """
        if not self.ok:
            raise DatasetError(
                f"{self.summary()}\nMend the files, or leave the samples out with `subset`."
            )


def check_dataset(dataset: SegmentationDataset, progress: bool = True) -> DatasetReport:
    """Reads every image and mask once and reports what is wrong with them.

    Found are files that cannot be read, images without masks and masks without images, masks of
    another size than their image, masks that are not binary, masks without lesion, and images
    with the same pixels. Several threads decode; memory for a few images is enough.

    Args:
        dataset: Any data set of this package, or a subset of one.
        progress: Whether to show a progress bar on standard error.

    Returns:
        The report. No fault of the files raises.

    Example:
        >>> from skinseg.data import SyntheticDermoscopy
        >>> check_dataset(SyntheticDermoscopy(2, size=64), progress=False).ok
        True
    """
    findings: list[Finding] = []
    ids_of: dict[bytes, list[str]] = {}
    for name, (found, digest) in zip(dataset.ids, _inspections(dataset, progress), strict=True):
        findings += found
        if digest is not None:
            ids_of.setdefault(digest, []).append(name)
    for ids in ids_of.values():
        if len(ids) > 1:
            message = f"{', '.join(ids)} are one image; keep them in one part of a split"
            findings.append(Finding("duplicate", tuple(ids), message, broken=False))
    for path in getattr(dataset, "stray_masks", ()):
        findings.append(Finding("mask_without_image", (), f"'{path}'", broken=False))
    return DatasetReport(repr(dataset).strip("<>"), tuple(findings))


_Inspection = tuple[list[Finding], bytes | None]


def _inspections(dataset: SegmentationDataset, progress: bool) -> Iterator[_Inspection]:
    executor = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
    try:
        results = executor.map(lambda index: _inspect(dataset, index), range(len(dataset)))
        if progress:
            bar = Console(stderr=True)
            results = track(results, "Checking images", total=len(dataset), console=bar)
        yield from results
    finally:
        # An interrupted check ends now, not after the files that still wait.
        executor.shutdown(cancel_futures=True)


def _inspect(dataset: SegmentationDataset, index: int) -> _Inspection:
    """The findings of one sample, and a digest of its image's pixels if it could be read."""
    name = dataset.ids[index]
    image_path, mask_path = dataset.image_path(index), dataset.mask_path(index)
    if image_path is None:
        sample = dataset[index]
        levels = sample.mask * np.uint8(255)
        return _mask_findings(name, f"the mask of {name}", levels), _digest(sample.image)
    findings, digest = [], None
    try:
        digest = _digest(read_image(image_path))
    except ImageError as error:
        findings.append(Finding("unreadable", (name,), str(error), broken=True))
    if mask_path is None:
        message = f"'{image_path}'"
        return [*findings, Finding("image_without_mask", (name,), message, broken=True)], digest
    findings += _size_findings(name, image_path, mask_path)
    try:
        findings += _mask_findings(name, f"'{mask_path}'", read_mask_levels(mask_path))
    except ImageError as error:
        findings.append(Finding("unreadable", (name,), str(error), broken=True))
    return findings, digest


def _digest(image: np.ndarray) -> bytes:
    shape = str(image.shape).encode()
    return hashlib.blake2b(image.tobytes(), digest_size=16, key=shape).digest()


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
        share = counts[_NEAR : 256 - _NEAR].sum() / levels.size
        message = (
            f"{mask} has {np.count_nonzero(counts)} levels, {share:.1%} of its pixels are grey; "
            "lesion is above 127"
        )
        findings.append(Finding("not_binary", (name,), message, broken=bool(share > _GREY_SHARE)))
    if levels.max() <= 127:
        message = f"{mask} marks no pixel; its highest level is {levels.max()} of 255"
        findings.append(Finding("empty_mask", (name,), message, broken=False))
    return findings
