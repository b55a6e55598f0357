"""A request for masks, from its header to its answer."""

import asyncio
import contextlib
import logging
import time
from functools import partial

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from skinseg.formatting import counted
from skinseg.inference.prediction import Prediction
from skinseg.inference.predictor import Predictor
from skinseg.serving.accept import preferred
from skinseg.serving.answers import JSON, OFFERED, PNG, body, served_model
from skinseg.serving.batching import Batcher
from skinseg.serving.images import prepare
from skinseg.serving.intake import read_images
from skinseg.serving.limits import Limits
from skinseg.serving.metrics import Metrics
from skinseg.serving.problems import Problem

_LOG = logging.getLogger(__name__)

_CLIENT_LEFT = 499
"""Not in the standard; by this number other servers count requests whose client has left."""

# A client that was answered with these has sent all, is too slow, or is gone.
_READ_OR_LEFT = (200, 408, _CLIENT_LEFT)

# Whoever looks over a shoulder, or at a disk, finds no mask in a browser's cache.
_HEADERS = {"Cache-Control": "no-store", "Vary": "Accept"}


class Service:
    """Answers requests for masks.

    Args:
        predictor: Segments the images.
        limits: What a client may ask for.

    Attributes:
        model: What clients may know of the predictor.
        limits: As given.
        metrics: What has been counted.
        batcher: Segments images that arrive together; an asynchronous context manager that must be
            entered first.
    """

    def __init__(self, predictor: Predictor, limits: Limits) -> None:
        self._predictor = predictor
        self.limits = limits
        self.model = served_model(predictor)
        self.metrics = Metrics()
        self.batcher = Batcher(
            self.metrics.counting(predictor.predict_prepared),
            batch_size=predictor.batch_size,
            threads=predictor.workers,
        )
        self._requests = 0

    async def predict(self, request: Request) -> Response:
        """Return the masks, or why there are none; whatever goes wrong is an answer."""
        started = time.perf_counter()
        self._requests += 1
        try:
            with self.metrics.in_progress.track_inprogress():
                response = await self._answer(request)
        finally:
            self._requests -= 1
        self.metrics.seconds.observe(time.perf_counter() - started)
        self.metrics.requests.labels(str(response.status_code)).inc()
        if response.status_code not in _READ_OR_LEFT:
            await _read_away(request, self.limits)
        return response

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._masks(request)
        except Problem as problem:
            return problem.response()
        except ClientDisconnect:
            return Response(status_code=_CLIENT_LEFT)
        except Exception:
            # The reason is for whoever runs the service; it may tell more than a client should see.
            _LOG.exception("a request for masks failed")
            return Problem(500, "the images could not be segmented; try again").response()

    async def _masks(self, request: Request) -> Response:
        limits = self.limits
        if self._requests > limits.max_concurrency:
            raise _busy(f"no more than {counted(limits.max_concurrency, 'request')} at a time")
        _check_query(request)
        kind = _kind(request)
        try:
            images = await asyncio.wait_for(read_images(request, limits), limits.timeout)
        except asyncio.TimeoutError:
            raise Problem(
                408,
                f"the request did not arrive within {limits.timeout:g} seconds; send smaller "
                "images, or fewer",
                {"Connection": "close"},
            ) from None
        if kind == PNG and len(images) > 1:
            raise Problem(
                406,
                f"a PNG file holds one mask, and the request has {counted(len(images), 'image')}; "
                f"send one, or accept {JSON}",
            )
        try:
            content = await asyncio.wait_for(self._segmented(images, kind), limits.timeout)
        except asyncio.TimeoutError:
            raise _busy(f"there was no mask within {limits.timeout:g} seconds") from None
        return Response(content, media_type=kind, headers=_HEADERS)

    async def _segmented(self, images: list[bytes], kind: str) -> bytes:
        total = len(images)
        names = [
            "the image" if total == 1 else f"image {number} of {total}"
            for number in range(1, total + 1)
        ]
        reading = (
            partial(prepare, self._predictor, self.limits, content, name)
            for content, name in zip(images, names, strict=True)
        )
        results = await asyncio.gather(
            *(self.batcher.segment(read) for read in reading), return_exceptions=True
        )
        predictions = _without_problems(results)
        return await self.batcher.in_thread(partial(body, kind, self.model, predictions))


async def _read_away(request: Request, limits: Limits) -> None:
    """Take what is left of the body of a request that is refused, if that is not too much.

    The connection may be closed with the answer, and who is still sending would not see it then.
    """
    if "expect" in request.headers:  # Such a client sends nothing before it is asked to.
        return

    async def rest() -> None:
        received = 0
        async for part in request.stream():
            received += len(part)
            if received > limits.max_request_bytes:
                return

    # A stream that has been read to its end raises RuntimeError.
    with contextlib.suppress(RuntimeError, ClientDisconnect, asyncio.TimeoutError):
        await asyncio.wait_for(rest(), limits.timeout)


def _without_problems(results: list[Prediction | BaseException]) -> list[Prediction]:
    """The predictions of all images, or one problem that names each image that cannot be used."""
    problems = [result for result in results if isinstance(result, Problem)]
    if problems:
        raise Problem(problems[0].status, "; ".join(map(str, problems)))
    predictions = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        predictions.append(result)
    return predictions


def _busy(why: str) -> Problem:
    return Problem(503, f"{why}; try again in a moment", {"Retry-After": "1"})


def _check_query(request: Request) -> None:
    if request.query_params:
        name = next(iter(request.query_params))
        raise Problem(
            400,
            f"there is no parameter '{name[:100]}'; model, threshold and the like are chosen where "
            "the service is started",
        )


def _kind(request: Request) -> str:
    # A client may send the header in several lines, which count as one.
    accept = ", ".join(request.headers.getlist("accept"))
    kind = preferred(accept, OFFERED)
    if kind is None:
        raise Problem(406, f"'{accept[:100]}' cannot be had; accept {' or '.join(OFFERED)}")
    return kind
