"""Checks of the numbers that describe a block or a network."""

from collections.abc import Sequence
from numbers import Integral


def require_positive(name: str, number: int) -> int:
    """Return a whole number of 1 or more.

    Args:
        name: The argument's name, for the message.
        number: Its value.

    Raises:
        TypeError: If it is no whole number.
        ValueError: If it is less than 1.
    """
    if isinstance(number, bool) or not isinstance(number, Integral):
        raise TypeError(f"{name} must be a whole number, not {number!r}")
    if number < 1:
        raise ValueError(f"{name} must be at least 1, not {number}")
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
    if require_positive(name, number) % 2 == 0:
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
    return [require_positive(f"each of {name}", number) for number in numbers]
