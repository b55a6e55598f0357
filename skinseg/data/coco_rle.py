"""The run-length encoding of COCO's files of annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np


class CocoRle(TypedDict):
    """A mask as COCO has it: ``size`` [H, W], and ``counts``, compressed into a string or not."""

    size: list[int]
    counts: str | list[int]


def encode_rle(mask: np.ndarray, *, compressed: bool = True) -> CocoRle:
    """Encode a mask as COCO does: lengths of runs down the columns, skin first.

    Args:
        mask: bool (H, W).
        compressed: Whether the counts are the string that COCO's own tools write; a list of
            numbers otherwise.

    Example:
        >>> encode_rle(np.array([[0, 1], [0, 1]], bool), compressed=False)
        {'size': [2, 2], 'counts': [2, 2]}
        >>> encode_rle(np.array([[0, 1], [0, 1]], bool))
        {'size': [2, 2], 'counts': '22'}
    """
    height, width = mask.shape
    pixels = np.concatenate([[False], mask.T.ravel()])
    changes = np.flatnonzero(pixels[1:] != pixels[:-1])
    counts = np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()
    return {"size": [height, width], "counts": _compressed(counts) if compressed else counts}


def decode_rle(rle: CocoRle) -> np.ndarray:
    """Return the mask, bool (H, W).

    Raises:
        ValueError: If the counts are not those of a mask of the size.

    Example:
        >>> decode_rle({"size": [2, 2], "counts": "22"}).astype(int).tolist()
        [[0, 1], [0, 1]]
    """
    height, width = rle["size"]
    counts = rle["counts"]
    numbers = _expanded(counts) if isinstance(counts, str) else list(counts)
    if sum(numbers) != height * width or min(numbers, default=0) < 0:
        raise ValueError(
            f"the counts add up to {sum(numbers)}, and a mask of {height} x {width} has "
            f"{height * width} pixels"
        )
    values = np.arange(len(numbers)) % 2 == 1
    return np.ascontiguousarray(np.repeat(values, numbers).reshape(width, height).T)


def _compressed(counts: Sequence[int]) -> str:
    """Each count as its difference from the one before the last, five bits in a character."""
    characters = []
    for index, count in enumerate(counts):
        rest = count - counts[index - 2] if index > 2 else count
        while True:
            bits = rest & 0b11111
            rest >>= 5
            # The fifth bit is the sign of what is left.
            done = rest == (-1 if bits & 0b10000 else 0)
            characters.append(chr(48 + bits + (0 if done else 0b100000)))
            if done:
                break
    return "".join(characters)


def _expanded(text: str) -> list[int]:
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"{character!r} is no character of compressed counts")
        value |= (bits & 0b11111) << shift
        shift += 5
        if bits & 0b100000:
            continue
        if bits & 0b10000:
            value -= 1 << shift
        counts.append(value + (counts[len(counts) - 2] if len(counts) > 2 else 0))
        value = shift = 0
    return counts
