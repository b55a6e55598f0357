"""A mask as a PNG file, made from its runs: no pixel is ever written out."""

import struct
import zlib

import numpy as np

from skinseg.data.run_lengths import RunLengths

# Deflate (RFC 1951) with one Huffman code for all masks. Nearly all of a mask is 258 bytes that
# repeat the byte before them, so that symbol (285) has one bit; all others that occur have six.
_LONGEST_MATCH = 258
_SIX_BITS = (0, 1, 255, 256, *range(257, 285))
"""Symbols of six bits; 1 never occurs, but the code must be complete. 256 ends the data."""

_MODULUS = 65521
"""Of the checksum Adler-32 (RFC 1950)."""


def mask_png(runs: RunLengths) -> bytes:
    """Encode a mask as an 8-bit grayscale PNG file, 255 where it is lesion and 0 elsewhere.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> mask = np.eye(40, 60, dtype=bool)
        >>> image = Image.open(io.BytesIO(mask_png(RunLengths.from_mask(mask))))
        >>> image.mode, bool((np.asarray(image) == mask * 255).all())
        ('L', True)
    """
    height, width = runs.shape
    # Width, height; 8 bits, gray, and the only values there are for compression, filter, order.
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", _compressed(runs)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _compressed(runs: RunLengths) -> bytes:
    """Rows of pixels, each after a zero byte (no filter), as a zlib stream."""
    height, width = runs.shape
    length = height * (width + 1)
    # Positions count the place after each row, the file's rows have theirs in front.
    changes = np.stack([runs.starts + 1, runs.ends + 1], axis=1).ravel()
    edges = np.concatenate([[0], changes, [length]])
    lengths = np.diff(edges)
    if lengths[-1] == 0:  # The last pixel is lesion.
        lengths = lengths[:-1]
    checksum = _adler32(runs.starts + 1, runs.ends + 1, length)
    return b"\x78\x01" + _deflate(lengths) + struct.pack(">I", checksum)


def _deflate(lengths: np.ndarray) -> bytes:
    """Compress runs of these lengths, in turns of 0 and 255: one block of RFC 1951."""
    literal = _LITERALS[np.arange(len(lengths)) % 2]
    matches, rest = np.divmod(lengths - 1, _LONGEST_MATCH)
    tails = _TAILS[np.arange(len(lengths)) % 2, rest]
    tail_bits = _TAIL_BITS[rest]
    # A match of 258 bytes is two zero bits, its symbol and its distance: nothing to be written.
    sizes = 6 + 2 * matches + tail_bits
    begins = len(_BLOCK_HEADER) + np.cumsum(sizes) - sizes
    bits = np.zeros(len(_BLOCK_HEADER) + int(sizes.sum()) + 6, np.uint8)
    bits[: len(_BLOCK_HEADER)] = _BLOCK_HEADER
    bits[begins[:, None] + np.arange(6)] = literal
    places = (begins + 6 + 2 * matches)[:, None] + np.arange(12)
    used = np.arange(12) < tail_bits[:, None]
    bits[places[used]] = tails[used]
    bits[-6:] = _symbol(256)
    return np.packbits(bits, bitorder="little").tobytes()


def _adler32(starts: np.ndarray, ends: np.ndarray, length: int) -> int:
    """The checksum of ``length`` bytes that are 255 from each start to its end, and else 0."""
    counts = ends - starts
    low = (1 + 255 * int(counts.sum())) % _MODULUS
    # A byte counts once for itself and once for each byte after it.
    weights = counts * (length - starts) - counts * (counts - 1) // 2
    high = (length + 255 * int((weights % _MODULUS).sum())) % _MODULUS
    return high << 16 | low


def _symbol(symbol: int) -> list[int]:
    """The bits of a symbol of six bits; codes of a length ascend with their symbols."""
    code = 0b100000 + _SIX_BITS.index(symbol)
    return [code >> place & 1 for place in (5, 4, 3, 2, 1, 0)]


def _number(value: int, bits: int) -> list[int]:
    """The bits of a plain number, the lowest first."""
    return [value >> place & 1 for place in range(bits)]


def _tail(value: int, rest: int) -> list[int]:
    """The bits of what is left of a run after its first byte and its matches of 258 bytes."""
    if rest < 3:  # Too short for a match.
        return _symbol(value) * rest
    symbol, extra_bits, first = 257, 0, 3
    while rest >= first + (1 << extra_bits):
        first += 1 << extra_bits
        symbol += 1
        extra_bits = max(0, (symbol - 261) // 4)
    # The last bit is the distance: 1, to the byte before.
    return _symbol(symbol) + _number(rest - first, extra_bits) + [0]


def _block_header() -> list[int]:
    """The first bits of the block: it is the last one, and has this Huffman code."""
    code_lengths = [0] * 286 + [1, 1]  # 286 symbols, and distances of 1 and 2.
    for symbol in _SIX_BITS:
        code_lengths[symbol] = 6
    code_lengths[285] = 1
    # Code lengths are coded themselves: 0 has one bit, 1 and 6 have two.
    order = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1)
    bits_of = {0: 1, 1: 2, 6: 2}
    header = [1, *_number(2, 2), *_number(286 - 257, 5), *_number(2 - 1, 5)]
    header += _number(len(order) - 4, 4)
    header += [bit for length in order for bit in _number(bits_of.get(length, 0), 3)]
    codes = {0: [0], 1: [1, 0], 6: [1, 1]}
    return header + [bit for length in code_lengths for bit in codes[length]]


_BLOCK_HEADER = np.array(_block_header(), np.uint8)
_LITERALS = np.array([_symbol(0), _symbol(255)], np.uint8)
_TAIL_BITS = np.array([len(_tail(0, rest)) for rest in range(_LONGEST_MATCH)])
_TAILS = np.array(
    [
        [_tail(value, rest) + [0] * (12 - _TAIL_BITS[rest]) for rest in range(_LONGEST_MATCH)]
        for value in (0, 255)
    ],
    np.uint8,
)
