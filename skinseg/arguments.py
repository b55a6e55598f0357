"""Checks of the numbers that describe a block, a network or a training."""

from collections.abc import Sequence
from numbers import Integral


def require_whole(name: str, number: int, least: int = 1) -> int:
    """Return a whole number, NumPy's as Python's.

    Args:
        name: The argument's name, for the message.
        number: Its value.
        least: The least that it may be.

    Raises:
        TypeError: If it is no whole number.
        ValueError: If it is less than ``least``.
    """
    if isinstance(number, bool) or not isinstance(number, Integral):
        raise TypeError(f"{name} must be a whole number, not {number!r}")
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    return int(number)


def require_odd(name: str, number: int) -> int:
    """Return an odd number of 1 or more: a size that has a middle.

    Args:
        name: The argument's name, for the message.
        number: Its value.

    Raises:
        TypeError: If it is no whole number.
        ValueError: If it is even or less than 1.
    """
    if require_whole(name, number) % 2 == 0:
        raise ValueError(f"{name} must be an odd number, at least 1, not {number}")
    return int(number)


def require_branches(name: str, numbers: Sequence[int]) -> list[int]:
    """Return one whole number of 1 or more for each branch, of which there is at least one.

    Args:
        name: The argument's name, for the message.
        numbers: Its value.

    Raises:
        TypeError: If one is no whole number.
        ValueError: If there is none, or one is less than 1.
    """
    if len(numbers) == 0:
        raise ValueError(f"{name} must have a number for each branch, and has none")
    return [require_whole(f"each of {name}", number) for number in numbers]
