"""How channels are divided among parallel branches and normalization groups."""

import math

from skinseg.arguments import require_whole


def split_widths(channels: int, parts: int) -> list[int]:
    """Divide ``channels`` into ``parts`` widths that differ by at most one, wider ones first.

    Where ``parts`` divides ``channels``, this is the even split of the papers.

    Args:
        channels: Number of channels, at least ``parts``.
        parts: Number of branches.

    Returns:
        The widths; their sum is ``channels``.

    Raises:
        ValueError: If a branch would get no channel.

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
    """Return the number of GroupNorm groups: the papers' 4 if it divides C, else 2 or 1.

    Args:
        channels: Number of channels C.

    Returns:
        The largest number of groups up to 4 that divides both 4 and C.

    Example:
        >>> norm_groups(24), norm_groups(10), norm_groups(7)
        (4, 2, 1)
    """
    return math.gcd(4, channels)


def output_channels(in_chans: int, out_chans: int | None) -> int:
    """Return the channels of a block's output: those of its input unless others are named.

    Args:
        in_chans: Channels of the input.
        out_chans: Channels of the output, or None.

    Returns:
        The channels of the output.

    Raises:
        ValueError: If either is less than 1.

    Example:
        >>> output_channels(16, None), output_channels(16, 24)
        (16, 24)
    """
    require_whole("in_chans", in_chans)
    if out_chans is None:
        return in_chans
    return require_whole("out_chans", out_chans)
