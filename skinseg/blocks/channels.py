"""How channels are divided among the parallel branches of a block."""

import math


def split_widths(channels: int, parts: int) -> list[int]:
    """Divide ``channels`` into ``parts`` widths that differ by one at most, wider ones first.

    Where ``parts`` divides ``channels`` this is the even split of the papers.

    Args:
        channels: Number of channels, at least ``parts``.
        parts: Number of branches.

    Returns:
        The widths; their sum is ``channels``.

    Raises:
        ValueError: If a branch would be left without a channel.

    Example:
        >>> split_widths(24, 4), split_widths(10, 4)
        ([6, 6, 6, 6], [3, 3, 2, 2])
    """
    if channels < parts:
        raise ValueError(
            f"{channels} channels cannot be split into {parts} branches; use at least {parts}"
        )
    width, extra = divmod(channels, parts)
    return [width + 1] * extra + [width] * (parts - extra)


def norm_groups(channels: int) -> int:
    """Number of GroupNorm groups: the papers' 4, or the largest divisor that 4 and C share."""
    return math.gcd(4, channels)
