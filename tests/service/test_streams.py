"""Streams of events: how many there are, and how often they read the state."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from semelha.service.jobs import Job, JobRecord, Jobs
from semelha.service.metrics import Metrics
from semelha.service.problems import Busy
from semelha.service.state import State
from semelha.service.streams import EventStream, Streams


class Reader:
    """Reads a stream until it ends, or for some seconds, as a server sends it."""

    def __init__(self, job: JobRecord, streams: Streams) -> None:
        self.text = ""
        self._response = EventStream(job, streams)

    async def __call__(self, seconds: float = 10.0) -> str:
        async def send(message: Any) -> None:
            self.text += message.get("body", b"").decode()

        async def receive() -> Any:
            await asyncio.sleep(seconds)
            return {"type": "http.disconnect"}

        await self._response({"type": "http"}, receive, send)
        return self.text


@pytest.fixture
def jobs(state: State) -> Jobs:
    return Jobs(state, 8, Metrics())


def waiting(jobs: Jobs) -> Job:
    """A job that ends when it is cancelled."""

    def work(job: Job) -> None:
        while not job.cancelling.wait(0.01):
            pass
        job.progress(1, 1)

    return jobs.start("test", "shop", work, cleanup=lambda: None)


def test_no_more_streams_than_the_limit(jobs: Jobs) -> None:
    """One that is refused costs nothing; one whose client goes away is counted no more."""
    job = waiting(jobs)

    async def calls() -> None:
        streams = Streams(jobs, 2, Metrics())
        two = [asyncio.create_task(Reader(job.record, streams)(0.3)) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(Busy, match="2 clients") as refused:
            await Reader(job.record, streams)()
        assert refused.value.status_code == 429
        await asyncio.gather(*two)
        third = asyncio.create_task(Reader(job.record, streams)())
        await asyncio.sleep(0.15)
        jobs.cancel(job.record.id)
        assert (await third).count("event: end") == 1

    asyncio.run(calls())
    jobs.close()


def test_all_streams_read_the_state_once(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of two jobs, also one that begins between two readings."""
    started = [waiting(jobs) for _ in range(2)]
    readings: list[Sequence[str]] = []
    records = jobs.records

    def spied(numbers: Sequence[str]) -> dict[str, JobRecord]:
        readings.append(numbers)
        return records(numbers)

    monkeypatch.setattr(jobs, "records", spied)

    async def calls() -> list[str]:
        streams = Streams(jobs, 64, Metrics())
        readers = []
        for number in range(20):
            readers.append(asyncio.create_task(Reader(started[number % 2].record, streams)()))
            await asyncio.sleep(0.01)
        await asyncio.sleep(1.0)
        for job in started:
            jobs.cancel(job.record.id)
        return await asyncio.gather(*readers)

    texts = asyncio.run(calls())
    assert all(text.count("event: progress") >= 1 and text.count("event: end") == 1 for text in texts)
    assert 5 <= len(readings) <= 25
    jobs.close()


def test_a_stream_of_a_job_that_is_forgotten_ends(jobs: Jobs) -> None:
    job = waiting(jobs)
    jobs.cancel(job.record.id)
    assert job.ended.wait(10)
    jobs.forget(job.record.id)
    before = JobRecord(job.record.id, "test", "shop", "")
    text = asyncio.run(Reader(before, Streams(jobs, 1, Metrics()))())
    assert (text.count("event: progress"), text.count("event: end")) == (1, 0)
    jobs.close()
