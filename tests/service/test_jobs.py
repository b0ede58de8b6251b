"""Jobs: their states, their progress, their cancellation, and how many there are."""

import threading
from typing import Any

import pytest

from semelha.errors import CalibrationError
from semelha.service.jobs import Job, Jobs
from semelha.service.metrics import Metrics
from semelha.service.problems import Busy, PrematureStop, Problem


def test_a_job_tells_its_progress_and_result() -> None:
    jobs, seen = Jobs(4, Metrics()), []

    def work(job: Job) -> str:
        seen.append(job.state)
        job.progress(1, 2)
        return "result"

    job = jobs.start("test", "shop", work, cleanup=lambda: seen.append("cleaned"))
    assert job.ended.wait(10)
    jobs.close()
    assert (job.state, job.result, job.done, job.total) == ("done", "result", 1, 2)
    assert seen == ["running", "cleaned"]
    assert jobs.get(job.id, "shop") is job
    with pytest.raises(Problem):
        jobs.get(job.id, "other")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [(CalibrationError("too few"), 409, "too few"), (RuntimeError("secret"), 500, "server")],
)
def test_a_job_that_fails_has_a_problem(error: Exception, status: int, said: str) -> None:
    jobs, cleaned = Jobs(4, Metrics()), threading.Event()

    def work(job: Job) -> None:
        raise error

    job = jobs.start("test", "shop", work, cleanup=cleaned.set)
    assert job.ended.wait(10)
    jobs.close()
    assert job.state == "failed"
    assert cleaned.is_set()
    assert job.problem is not None
    assert (job.problem.status_code, said in job.problem.detail) == (status, True)
    assert "secret" not in job.problem.detail


def test_a_job_is_cancelled_at_its_next_step_or_before_it_begins() -> None:
    jobs = Jobs(8, Metrics())
    go = threading.Event()

    def work(job: Job) -> None:
        go.wait(10)
        job.progress(1, 2)
        raise AssertionError("it went on")

    started = [jobs.start("test", "shop", work, cleanup=lambda: None) for _ in range(4)]
    for job in started:
        jobs.cancel(job)
    go.set()
    assert all(job.ended.wait(10) for job in started)
    jobs.close()
    assert {job.state for job in started} == {"cancelled"}
    assert {job.done for job in started} == {0, 1}


def test_the_latest_jobs_are_remembered_and_no_more_wait() -> None:
    jobs = Jobs(3, Metrics())
    go = threading.Event()
    cleaned: list[Any] = []
    waiting = [jobs.start("test", "shop", lambda job: go.wait(10), cleanup=lambda: None) for _ in range(3)]
    with pytest.raises(Busy):
        jobs.start("test", "shop", lambda job: None, cleanup=lambda: cleaned.append(1))
    assert cleaned == [1]
    go.set()
    assert all(job.ended.wait(10) for job in waiting)
    last = jobs.start("test", "shop", lambda job: None, cleanup=lambda: None)
    assert last.ended.wait(10)
    assert [job.id for job in jobs.of("shop")] == [last.id, waiting[2].id, waiting[1].id]
    jobs.close()
    with pytest.raises(PrematureStop):
        jobs.start("test", "shop", lambda job: None, cleanup=lambda: None)
