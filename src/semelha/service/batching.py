"""Gathers the pictures of many requests into batches for the embedder, in threads of its own.

Two threads take turns: while one embeds a batch, the other gathers and decodes the next.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any

from semelha.errors import PictureError
from semelha.gallery import Gallery, Probe
from semelha.images import Picture
from semelha.recognition import Identification
from semelha.service.metrics import Metrics
from semelha.service.problems import Busy, PrematureStop
from semelha.service.reviewing import ReviewKeeper
from semelha.service.settings import Settings
from semelha.service.traces import batch_span

logger = logging.getLogger(__name__)

THREADS = 2


@dataclass(frozen=True, eq=False)
class _Request:
    """Pictures to embed, and the number of candidates if they are to be identified."""

    pictures: Sequence[Picture]
    k: int | None
    future: Future[list[Any]] = field(default_factory=Future)
    context: Context = field(default_factory=copy_context)


class Batcher:
    """Embeds and identifies the pictures of requests together.

    What is not identified for sure goes to the `keeper`. Its methods raise `Busy` if too many pictures wait, and
    `PrematureStop` after `close`.
    """

    def __init__(
        self,
        gallery: Callable[[], Gallery],
        settings: Settings,
        metrics: Metrics,
        keeper: ReviewKeeper | None = None,
    ) -> None:
        self._gallery = gallery
        self._keeper = keeper
        self._settings = settings
        self._metrics = metrics
        self._waiting: deque[_Request] = deque()
        self._pictures = 0
        self._idle = 0
        self._closed = False
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._run, name=f"batch-{n}", daemon=True) for n in range(THREADS)]
        for thread in self._threads:
            thread.start()

    async def identify(self, pictures: Sequence[Picture], k: int) -> list[Identification | PictureError]:
        """Identify pictures: an answer for each, or the error of one that cannot be used."""
        return await self._submit(_Request(pictures, k))

    async def embed(self, pictures: Sequence[Picture]) -> list[Probe | PictureError]:
        """Embed pictures: a probe for each, or the error of one that cannot be used."""
        return await self._submit(_Request(pictures, None))

    def close(self) -> None:
        """Finish what was accepted, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    async def _submit(self, request: _Request) -> list[Any]:
        count = len(request.pictures)
        with self._changed:
            if self._closed:
                raise PrematureStop
            if self._pictures and self._pictures + count > self._settings.max_queue:
                self._metrics.refused.labels("queue").inc()
                raise Busy(f"{self._pictures} pictures wait already: try again")
            self._waiting.append(request)
            self._count(count)
            self._changed.notify()
        return await asyncio.wrap_future(request.future)

    def _count(self, change: int) -> None:
        self._pictures += change
        self._metrics.queue.inc(change)

    def _run(self) -> None:
        while (batch := self._gathered()) is not None:
            self._answer([one for one in batch if one.future.set_running_or_notify_cancel()])

    def _gathered(self) -> list[_Request] | None:
        """The next requests: at least one, and about `batch_size` pictures or this thread's share; None at the end."""
        with self._changed:
            self._idle += 1
            try:
                if not self._wait():
                    return None
                size = min(self._settings.batch_size, math.ceil(self._pictures / self._idle))
            finally:
                self._idle -= 1
            batch = [self._waiting.popleft()]
            count = len(batch[0].pictures)
            while self._waiting and count + len(self._waiting[0].pictures) <= size:
                batch.append(self._waiting.popleft())
                count += len(batch[-1].pictures)
            self._count(-count)
            self._changed.notify()
            return batch

    def _wait(self) -> bool:
        """Wait until a request is there, and for a batch while another one is embedded; False at the end."""
        while True:
            while not self._waiting:
                if self._closed:
                    return False
                self._changed.wait()
            end = time.monotonic() + self._settings.batch_wait
            while self._waiting and self._idle < THREADS and not self._is_enough():
                if not self._changed.wait(max(0.0, end - time.monotonic())):
                    break
            if self._waiting:  # the other thread may have taken them
                return True

    def _is_enough(self) -> bool:
        return self._closed or self._pictures >= self._settings.batch_size

    def _answer(self, batch: list[_Request]) -> None:
        if not batch:
            return
        try:
            size = sum(len(one.pictures) for one in batch)
            with self._metrics.batch_seconds.time(), batch_span([one.context for one in batch], size):
                answers = _answers(self._gallery(), batch, self._keeper)
            self._metrics.batch.observe(size)
        except Exception as error:
            if len(batch) == 1:
                batch[0].future.set_exception(error)
                return
            logger.warning("a batch failed, and its requests are answered one by one: %s", error)
            for one in batch:
                self._answer([one])
            return
        for one, answer in zip(batch, answers, strict=True):
            one.future.set_result(answer)


def _answers(gallery: Gallery, batch: Sequence[_Request], keeper: ReviewKeeper | None) -> list[list[Any]]:
    """The answers of each request: pictures are embedded together, and identified with those that ask for as many."""
    found = iter(gallery.embed_probes([picture for one in batch for picture in one.pictures]))
    answers: list[list[Any]] = [[next(found) for _ in one.pictures] for one in batch]
    for k in {one.k for one in batch if one.k is not None}:
        places = [
            (row, column)
            for row, one in enumerate(batch)
            for column, probe in enumerate(answers[row])
            if one.k == k and isinstance(probe, Probe)
        ]
        probes = [answers[row][column] for row, column in places]
        identified = gallery.identify_probes(probes, k=k)
        for (row, column), answer in zip(places, identified, strict=True):
            answers[row][column] = answer
        if keeper is not None:
            keeper.add(probes, identified, [batch[row].pictures[column] for row, column in places])
    return answers
