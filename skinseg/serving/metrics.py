"""What the service counts, in the format of Prometheus."""

import time
from collections.abc import Callable, Sequence

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from skinseg.inference.prediction import Prediction
from skinseg.inference.preprocessing import Prepared

MEDIA_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters of one service; two services in one process do not share them.

    Attributes:
        requests: Requests for masks by the status of their answers.
        in_progress: Requests for masks that have no answer yet.
        seconds: Seconds from a request's header to its answer.

    Example:
        >>> metrics = Metrics()
        >>> metrics.requests.labels("200").inc()
        >>> b'skinseg_requests_total{status="200"} 1.0' in metrics.page()
        True
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "skinseg_requests",
            "Requests for masks, by the status of their answers; 499 where the client left.",
            ["status"],
            registry=registry,
        )
        self.in_progress = Gauge(
            "skinseg_requests_in_progress",
            "Requests for masks that have no answer yet.",
            registry=registry,
        )
        self.seconds = Histogram(
            "skinseg_request_seconds",
            "Seconds from a request's header to its answer.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._images = Histogram(
            "skinseg_batch_images",
            "Images that went through the network together.",
            buckets=_IMAGES,
            registry=registry,
        )
        self._network = Histogram(
            "skinseg_network_seconds",
            "Seconds of the network for a batch.",
            buckets=_SECONDS,
            registry=registry,
        )

    def counting(
        self, predict: Callable[[Sequence[Prepared]], list[Prediction]]
    ) -> Callable[[Sequence[Prepared]], list[Prediction]]:
        """Return a function that segments a batch, and counts it."""

        def counted(images: Sequence[Prepared]) -> list[Prediction]:
            started = time.perf_counter()
            predictions = predict(images)
            self._network.observe(time.perf_counter() - started)
            self._images.observe(len(images))
            return predictions

        return counted

    def page(self) -> bytes:
        """Return all figures as Prometheus reads them; of type :data:`MEDIA_TYPE`."""
        return generate_latest(self._registry)
