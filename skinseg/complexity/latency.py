"""How long calls take, side by side."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping

# A round of one call lasts at least so long, so that the clock and single interruptions matter
# little.
_ROUND_SECONDS = 0.03


@dataclasses.dataclass(frozen=True)
class Latency:
    """Time of one call, in milliseconds.

    Attributes:
        median: Median over the rounds.
        low: Lower quartile.
        high: Upper quartile.
    """

    median: float
    low: float
    high: float


def time_alternately(
    calls: Mapping[str, Callable[[], object]], *, rounds: int = 15
) -> dict[str, Latency]:
    """Time several calls in turns, so that what slows the machine down slows all of them.

    Args:
        calls: Functions by name.
        rounds: How often each has its turn; 4 or more.

    Returns:
        The time of one call of each, by the same names.

    Raises:
        ValueError: If there are fewer than 4 rounds.

    Example:
        >>> times = time_alternately({"sum": lambda: sum(range(1000)), "none": int}, rounds=4)
        >>> times["none"].median < times["sum"].median
        True
    """
    if rounds < 4:
        raise ValueError(f"rounds must be 4 or more, not {rounds}")
    repeats = {name: _repeats(call) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(_milliseconds(call, repeats[name]))
    return {name: _summary(values) for name, values in times.items()}


def _repeats(call: Callable[[], object]) -> int:
    """Calls that fill a round; the first two, which prepare what later ones use, do not count."""
    call()
    call()
    return max(1, round(1000 * _ROUND_SECONDS / max(_milliseconds(call, 1), 1e-6)))


def _milliseconds(call: Callable[[], object], repeats: int) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    return 1000 * (time.perf_counter() - started) / repeats


def _summary(values: list[float]) -> Latency:
    low, _, high = statistics.quantiles(values, n=4)
    return Latency(statistics.median(values), low, high)
