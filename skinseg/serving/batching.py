"""Images that arrive together go through the network together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from skinseg.inference.prediction import Prediction
from skinseg.inference.preprocessing import Prepared

Result = TypeVar("Result")


class _Waiting(NamedTuple):
    image: Prepared
    answer: asyncio.Future[Prediction]


class Batcher:
    """Reads images in threads, and runs the network in one of its own, a batch at a time.

    A batch is what has been read when the network is free. Only where it is not full and further
    images are being read does it wait for them, and no longer than ``wait``: one image alone is
    never held up. Where a batch fails, its images are tried one by one, so that one image cannot
    spoil the answers of others.

    Args:
        predict: Segments a batch of prepared images, in their order; called by one thread.
        batch_size: Most images of a batch.
        threads: Threads that read images.
        wait: Seconds to wait for images that are being read.

    Example:
        >>> import numpy as np
        >>> def predict(images):
        ...     return [Prediction.from_logits(image.pixels, image.size, 0.5) for image in images]
        >>> async def area(value):
        ...     async with Batcher(predict, batch_size=8, threads=1) as batcher:
        ...         image = Prepared(np.full((1, 8, 8), value, np.float32), (8, 8))
        ...         return (await batcher.segment(lambda: image)).run_lengths.area
        >>> asyncio.run(area(1)), asyncio.run(area(-1))
        (64, 0)
    """

    def __init__(
        self,
        predict: Callable[[Sequence[Prepared]], list[Prediction]],
        *,
        batch_size: int,
        threads: int,
        wait: float = 0.002,
    ) -> None:
        self._predict = predict
        self._batch_size = batch_size
        self._wait = wait
        self._threads = ThreadPoolExecutor(threads, "skinseg-read")
        self._network = ThreadPoolExecutor(1, "skinseg-network")
        self._being_read = 0

    async def __aenter__(self) -> Batcher:
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._threads.shutdown(cancel_futures=True)
        self._network.shutdown(cancel_futures=True)

    @property
    def running(self) -> bool:
        """Whether images are being taken."""
        return not self._task.done()

    async def segment(self, read: Callable[[], Prepared]) -> Prediction:
        """Return the prediction of an image.

        Args:
            read: Returns the image; called by one of the threads.

        Raises:
            Exception: Whatever ``read`` or the network raises.
        """
        self._being_read += 1
        try:
            image = await self.in_thread(read)
        finally:
            self._being_read -= 1
        answer: asyncio.Future[Prediction] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Waiting(image, answer))
        return await answer

    async def in_thread(self, function: Callable[[], Result]) -> Result:
        """Call a function in one of the threads that read images."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    async def _run(self) -> None:
        while True:
            batch = await self._next_batch()
            # Whoever asked for them may have given up.
            batch = [waiting for waiting in batch if not waiting.answer.done()]
            if batch and not await self._answered(batch) and len(batch) > 1:
                for waiting in batch:
                    await self._answered([waiting])

    async def _next_batch(self) -> list[_Waiting]:
        batch = [await self._queue.get()]
        loop = asyncio.get_running_loop()
        end = loop.time() + self._wait
        while len(batch) < self._batch_size:
            if not self._queue.empty():
                batch.append(self._queue.get_nowait())
            elif not self._being_read:
                break
            else:
                try:
                    batch.append(await asyncio.wait_for(self._queue.get(), end - loop.time()))
                except asyncio.TimeoutError:
                    break
        return batch

    async def _answered(self, batch: list[_Waiting]) -> bool:
        """Run the network; return whether it went well. One image alone gets the error, if any."""
        images = [waiting.image for waiting in batch]
        loop = asyncio.get_running_loop()
        try:
            predictions = await loop.run_in_executor(self._network, self._predict, images)
        except Exception as error:
            if len(batch) == 1 and not batch[0].answer.done():
                batch[0].answer.set_exception(error)
            return False
        for waiting, prediction in zip(batch, predictions, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(prediction)
        return True
