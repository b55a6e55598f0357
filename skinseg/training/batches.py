"""How many images the batches of an epoch have, and the parts of a batch."""


def piece_lengths(count: int, most: int) -> list[int]:
    """Return the number of images of each piece: ``most``, and in the last what is left.

    A single image that is left joins the piece before it: BatchNorm has no variance where a network
    pools the maps of one image to one position, as BiSeNet and DeepLabV3 do.

    Args:
        count: Number of images.
        most: Images of a piece; pieces of one stay as they are.

    Example:
        >>> piece_lengths(10, 4), piece_lengths(9, 4), piece_lengths(3, 1), piece_lengths(1, 4)
        ([4, 4, 2], [4, 5], [1, 1, 1], [1])
    """
    lengths = [min(most, count - start) for start in range(0, count, most)]
    if len(lengths) > 1 and lengths[-1] == 1 < most:
        lengths[-2:] = [most + 1]
    return lengths


def part_lengths(images: int, batch_size: int, accumulate: int) -> list[int]:
    """Return the number of images of each part of a batch.

    The last batch of an epoch may have as few images as parts. Its parts have two images or more,
    too, if those of whole batches have.

    Args:
        images: Number of images of the batch.
        batch_size: That of whole batches.
        accumulate: Parts of a batch.

    Example:
        >>> part_lengths(8, 8, 3), part_lengths(7, 8, 3), part_lengths(2, 8, 3)
        ([3, 3, 2], [3, 4], [2])
    """
    least = min(2, -(-batch_size // accumulate))
    return piece_lengths(images, max(least, -(-images // accumulate)))
