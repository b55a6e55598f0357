"""Work done by threads ahead of the one who waits for it, in order and never far ahead."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int, workers: int
) -> Generator[Result, None, None]:
    """Yield ``function(item)`` for each item in order, computed in threads.

    Args:
        function: What to do; may be called in several threads at once.
        items: Taken one by one, in the caller's thread.
        ahead: Most items that are taken and not yet yielded.
        workers: Number of threads.

    Example:
        >>> list(prefetch_map(str.upper, ["a", "b", "c"], ahead=2, workers=2))
        ['A', 'B', 'C']
    """
    items = iter(items)
    pool = ThreadPoolExecutor(workers)
    try:
        waiting: deque[Future[Result]] = deque()
        while True:
            waiting.extend(pool.submit(function, i) for i in islice(items, ahead - len(waiting)))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        # Whoever stops early must not wait for images that nobody will see.
        pool.shutdown(cancel_futures=True)
