"""Streams of the events of jobs: how many there are, and one reading of the state file for all of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from semelha.service.jobs import JobRecord, Jobs
from semelha.service.metrics import Metrics
from semelha.service.models import JobAnswer
from semelha.service.problems import Busy
from semelha.service.threads import run_short

POLL, HEARTBEAT = 0.1, 15.0  # seconds


class Streams:
    """The streams of a process, at most so many. Everything is called in the event loop."""

    def __init__(self, jobs: Jobs, most: int, metrics: Metrics) -> None:
        self.stopping = jobs.stopping
        self._jobs = jobs
        self._most = most
        self._metrics = metrics
        self._followed: Counter[str] = Counter()
        self._read: list[str] = []
        self._records: dict[str, JobRecord] = {}
        self._due = 0.0
        self._reading = asyncio.Lock()

    @contextmanager
    def following(self, job: str) -> Iterator[None]:
        """Count a stream of a job, by its id. Raises `Busy` if there are too many."""
        if self._followed.total() >= self._most:
            self._metrics.refused.labels("streams").inc()
            raise Busy(f"the server sends the events of jobs to {self._most} clients already: try again", after=5)
        self._followed[job] += 1
        try:
            yield
        finally:
            self._followed -= Counter([job])

    async def latest(self, job: str) -> JobRecord | None:
        """The record of a job that is followed, of the last tenth of a second; None if it was forgotten."""
        async with self._reading:
            now = asyncio.get_running_loop().time()
            if now >= self._due or job not in self._read:
                self._read = list(self._followed)
                self._records = await run_short(self._jobs.records, self._read)
                self._due = now + POLL
        return self._records.get(job)


class EventStream(StreamingResponse):
    """The events of a job until it ends: one for each change, and a comment now and then, so that the connection stays.

    Raises `Busy` before it begins if there are too many streams.
    """

    media_type = "text/event-stream"

    def __init__(self, job: JobRecord, streams: Streams) -> None:
        super().__init__(self._events(job))
        self._job = job.id
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._streams.following(self._job):
            await super().__call__(scope, receive, send)

    async def _events(self, job: JobRecord | None) -> AsyncIterator[str]:
        seen: object = None
        quiet = 0.0
        while job is not None:  # it may be cancelled and forgotten
            if job != seen:
                seen, quiet = job, 0.0
                kind = "end" if job.has_ended else "progress"
                yield f"event: {kind}\ndata: {JobAnswer.of(job).model_dump_json()}\n\n"
            if job.has_ended or self._streams.stopping.is_set():
                return
            await asyncio.sleep(POLL)
            job = await self._streams.latest(job.id)
            quiet += POLL
            if quiet >= HEARTBEAT:
                quiet = 0.0
                yield ": \n\n"
