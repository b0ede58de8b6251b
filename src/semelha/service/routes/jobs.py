"""Jobs: long work, its progress as events, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from semelha.service.access import needs
from semelha.service.dependencies import Current, TheJobs
from semelha.service.jobs import Job, Jobs
from semelha.service.models import JobAnswer, JobsAnswer
from semelha.service.streams import EventStream
from semelha.service.threads import run_short

router = APIRouter(tags=["jobs"])
POLL, CANCELLING = 0.1, 10.0  # seconds
Wait = Annotated[float, Query(ge=0, le=30, description="Seconds to wait for the end; 202 if it did not come.")]
STATES: dict[int | str, dict[str, Any]] = {200: {"description": "It has ended."}, 202: {"description": "It goes on."}}


@router.get("/jobs", dependencies=[needs("read")])
def list_jobs(served: Current, jobs: TheJobs) -> JobsAnswer:
    """List the jobs of the gallery, latest first."""
    served.follow()
    return JobsAnswer(jobs=[JobAnswer.of(job) for job in jobs.of(served.name)])


@router.get(
    "/jobs/{job}",
    dependencies=[needs("read")],
    response_model=JobAnswer,
    responses={200: {"content": {"text/event-stream": {}}}},
)
def get_job(request: Request, served: Current, jobs: TheJobs, job: str) -> Any:
    """Get a job; with `Accept: text/event-stream` an event for each step, until it ends."""
    served.follow()
    found = jobs.get(job, served.name)
    if "text/event-stream" in request.headers.get("accept", ""):
        return EventStream(found, request.app.state.streams)
    return JobAnswer.of(found)


@router.delete("/jobs/{job}", dependencies=[needs("enroll")])
async def cancel_job(served: Current, jobs: TheJobs, job: str) -> JobAnswer:
    """Cancel a job at its next step, and forget it. What it has written stays. The answer is its last state.

    If it does not end within ten seconds, it is remembered: get it later, or delete it again.
    """
    found = await run_short(jobs.get, job, served.name)
    await run_short(jobs.cancel, found.id)
    end = asyncio.get_running_loop().time() + CANCELLING
    while not found.has_ended and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(POLL)
        found = await run_short(jobs.get, job, served.name)
    await run_short(jobs.forget, found.id)
    return JobAnswer.of(found)


async def started(
    jobs: Jobs,
    served: Current,
    response: Response,
    kind: str,
    work: Callable[[Job], Any],
    *,
    wait: float,
    cleanup: Callable[[], None] = lambda: None,
) -> JobAnswer:
    """Start a job, and answer when it has ended, or after `wait` seconds."""

    def subjects() -> list[str]:
        return list(served.gallery)

    job = await run_in_threadpool(jobs.start, kind, served.name, work, cleanup=cleanup, subjects=subjects)
    end = asyncio.get_running_loop().time() + wait
    while not job.ended.is_set() and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(min(POLL, max(0.001, wait / 100)))
    record = job.record
    response.status_code = 200 if record.has_ended else 202
    return JobAnswer.of(record)
