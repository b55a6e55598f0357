"""What an export found: the checks of the file, and what the file is."""

import dataclasses
from pathlib import Path


class ExportError(RuntimeError):
    """A network cannot be written in a format, or the file computes something else."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """One comparison of the file with the published network.

    Attributes:
        images: ``"random"`` or ``"synthetic"`` (drawn dermoscopy images).
        size: (height, width) of the images.
        batch: Number of images.
        difference: Largest difference of the output.
        relative: The same as a fraction of the largest absolute output, or of 1.
        mask_iou: Intersection over union of both masks at the record's threshold.
        passed: Whether difference and masks are within the tolerance.
    """

    images: str
    size: tuple[int, int]
    batch: int
    difference: float
    relative: float
    mask_iou: float
    passed: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What :func:`skinseg.export` wrote, and how it was verified.

    Attributes:
        path: The file; OpenVINO's has its weights in a ``.bin`` file beside it.
        files: All files that were written.
        model: Name of the network and its weights.
        format: As asked for.
        bytes: Size of all files together.
        nodes: Operators in the file's graph; None where the format does not tell.
        runtime: What ran the file for the checks, with its version.
        tolerance: Largest relative difference that passes.
        checks: One comparison per kind of images, size and batch.

    Example:
        >>> check = Check(images="random", size=(64, 64), batch=2, difference=1e-6,
        ...               relative=1e-6, mask_iou=1.0, passed=True)
        >>> print(check_table([check]))
        images      size       batch  largest difference  of the largest output  mask IoU  result
        random      64x64      2      1.0e-06             1.0e-06                1.00000   passed
    """

    path: Path
    files: tuple[Path, ...]
    model: str
    format: str
    bytes: int
    nodes: int | None
    runtime: str
    tolerance: float
    checks: tuple[Check, ...]

    @property
    def largest_difference(self) -> float:
        """The largest relative difference of all checks."""
        return max(check.relative for check in self.checks)

    def table(self) -> str:
        """Return the checks as a table of plain text."""
        return check_table(self.checks)


_HEADER = (
    "images",
    "size",
    "batch",
    "largest difference",
    "of the largest output",
    "mask IoU",
    "result",
)


def check_table(checks: "list[Check] | tuple[Check, ...]") -> str:
    """Return checks as a table of plain text, one line each."""
    rows = [
        (
            check.images,
            f"{check.size[0]}x{check.size[1]}",
            str(check.batch),
            f"{check.difference:.1e}",
            f"{check.relative:.1e}",
            f"{check.mask_iou:.5f}",
            "passed" if check.passed else "FAILED",
        )
        for check in checks
    ]
    widths = (10, 9, 5, 18, 21, 8, 6)
    lines = [_HEADER, *rows]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
