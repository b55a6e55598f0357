"""Clients of a service on this machine: threads, each with a connection of its own."""

import dataclasses
import http.client
import itertools
import threading
import time
from collections.abc import Callable, Mapping


@dataclasses.dataclass(frozen=True)
class Call:
    """A request, and what must come back.

    Attributes:
        body: Of the request.
        headers: Of the request.
        status: Of the answer.
        content: Of the answer; None where its reason is enough.
    """

    body: bytes
    headers: Mapping[str, str]
    status: int
    content: bytes | None = None


@dataclasses.dataclass
class Tally:
    """What came back.

    Attributes:
        seconds: Of each request that was answered, in no order.
        lost: Requests without an answer.
        wrong: Answers of another status, or with another content.
        elapsed: Seconds from the first request to the last answer.
    """

    seconds: list[float] = dataclasses.field(default_factory=list)
    lost: int = 0
    wrong: int = 0
    elapsed: float = 0.0


def ask(
    port: int,
    call: Callable[[int], Call],
    *,
    requests: int,
    clients: int,
    watch: Callable[[int], None] = lambda answered: None,
) -> Tally:
    """Send requests from several clients, each as soon as its last one is answered.

    Args:
        port: Of the service.
        call: The request of a number, 0 and up.
        requests: How many.
        clients: How many at a time.
        watch: Called after each answer with the number of answers so far.
    """
    tally = Tally()
    lock = threading.Lock()
    numbers = itertools.count()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while (number := next(numbers)) < requests:
            wanted = call(number)
            started = time.perf_counter()
            try:
                connection.request("POST", "/predict", wanted.body, dict(wanted.headers))
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                with lock:
                    tally.lost += 1
                continue
            seconds = time.perf_counter() - started
            right = answer.status == wanted.status and wanted.content in (None, content)
            with lock:
                tally.seconds.append(seconds)
                tally.wrong += not right
                watch(len(tally.seconds))
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally.elapsed = time.perf_counter() - started
    return tally


def answer(port: int, call: Call) -> tuple[int, bytes]:
    """Send one request; return the status and the body of its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/predict", call.body, dict(call.headers))
    received = connection.getresponse()
    content = received.read()
    connection.close()
    return received.status, content
