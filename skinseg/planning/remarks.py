"""What the user should know of the data before training."""

import os

from skinseg.formatting import counted
from skinseg.planning.survey import Survey
from skinseg.pretrained import PretrainedCfg

_FEW_VALIDATION_IMAGES = 30
_DECODED_BYTES = 20  # A pixel as uint8 RGB, as float32 RGB for resizing, and its mask.


def memory_bytes(found: Survey, images: int, size: int) -> int:
    """Bytes for the images at the size of training, and for those that are being decoded."""
    largest = int(found.sizes.prod(1).max())
    workers = min(32, (os.cpu_count() or 1) + 4)
    return images * 4 * size**2 + workers * largest * _DECODED_BYTES


def remarks(found: Survey, validation: int, record: PretrainedCfg | None, memory: int) -> list[str]:
    """Return what the user should know of the data, one sentence each."""
    notes = []
    pictures = len(set(found.groups.tolist()))
    if pictures < len(found):
        notes.append(
            f"{len(found)} images show {counted(pictures, 'different picture')}; images of one "
            "picture are on one side of the split."
        )
    empty = int((found.lesion_fractions == 0).sum())
    if empty:
        notes.append(
            f"{counted(empty, 'mask')} without lesion; the network learns to find none there."
        )
    if validation < _FEW_VALIDATION_IMAGES:
        notes.append(
            f"Scores of {counted(validation, 'validation image')} are rough; they tell epochs "
            "apart, and little more."
        )
    if record is not None and record.training_data.get("name"):
        notes.append(
            f"The weights it begins with were trained on {record.training_data['name']}. If your "
            "images are among these, validation scores are too good."
        )
    if memory > 0.5 * _physical_memory():
        notes.append(
            f"About {memory / 2**30:.1f} GiB of memory are needed, more than half of what this "
            "machine has; a smaller size needs less."
        )
    return notes


def _physical_memory() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return float("inf")  # Not told here, as on Windows.
