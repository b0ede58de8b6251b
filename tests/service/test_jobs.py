"""Jobs: their states, their progress, their cancellation, and how many there are."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from semelha.errors import CalibrationError
from semelha.service.jobs import FORGOTTEN, STOPPED, Job, JobRecord, Jobs, forget_gone, forget_results, named_subjects
from semelha.service.metrics import Metrics
from semelha.service.problems import Busy, PrematureStop, Problem
from semelha.service.state import State


def test_a_job_tells_its_progress_and_result(state: State) -> None:
    jobs, seen = Jobs(state, 4, Metrics()), []

    def work(job: Job) -> str:
        seen.append(job.record.state)
        job.progress(1, 2)
        return "result"

    job = jobs.start("test", "shop", work, cleanup=lambda: seen.append("cleaned"))
    assert job.ended.wait(10)
    jobs.close()
    record = job.record
    assert (record.state, record.result, record.done, record.total) == ("done", "result", 1, 2)
    assert seen == ["running", "cleaned"]
    assert jobs.get(record.id, "shop") == record
    with pytest.raises(Problem):
        jobs.get(record.id, "other")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [(CalibrationError("too few"), 409, "too few"), (RuntimeError("secret"), 500, "server")],
)
def test_a_job_that_fails_has_a_problem(error: Exception, status: int, said: str, state: State) -> None:
    jobs, cleaned = Jobs(state, 4, Metrics()), threading.Event()

    def work(job: Job) -> None:
        raise error

    job = jobs.start("test", "shop", work, cleanup=cleaned.set)
    assert job.ended.wait(10)
    jobs.close()
    assert job.record.state == "failed"
    assert cleaned.is_set()
    assert job.record.problem is not None
    assert (job.record.problem["status"], said in job.record.problem["detail"]) == (status, True)
    assert "secret" not in job.record.problem["detail"]


def test_a_job_is_cancelled_at_its_next_step_or_before_it_begins(state: State) -> None:
    jobs = Jobs(state, 8, Metrics())
    go = threading.Event()

    def work(job: Job) -> None:
        go.wait(10)
        job.progress(1, 2)
        raise AssertionError("it went on")

    started = [jobs.start("test", "shop", work, cleanup=lambda: None) for _ in range(4)]
    for job in started:
        jobs.cancel(job.record.id)
    go.set()
    assert all(job.ended.wait(10) for job in started)
    jobs.close()
    assert {job.record.state for job in started} == {"cancelled"}
    assert {job.record.done for job in started} == {0, 1}


def test_a_job_that_a_stop_ends_has_failed_and_one_that_was_cancelled_has_not(state: State) -> None:
    jobs = Jobs(state, 8, Metrics())
    go = threading.Event()

    def work(job: Job) -> None:
        go.wait(10)
        job.progress(1, 2)

    cancelled, running, waiting = (jobs.start("test", "shop", work, cleanup=lambda: None) for _ in range(3))
    jobs.cancel(cancelled.record.id)
    jobs.stop()
    go.set()
    jobs.close()
    assert [job.record.state for job in (cancelled, running, waiting)] == ["cancelled", "failed", "failed"]
    assert jobs.get(waiting.record.id, "shop").problem == STOPPED


def test_the_latest_jobs_are_remembered_and_no_more_wait(state: State) -> None:
    jobs = Jobs(state, 3, Metrics())
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
    assert [job.id for job in jobs.of("shop")] == [one.record.id for one in (last, waiting[2], waiting[1])]
    jobs.close()
    with pytest.raises(PrematureStop):
        jobs.start("test", "shop", lambda job: None, cleanup=lambda: None)


@pytest.fixture
def states(tmp_path: Path) -> Iterator[list[State]]:
    """The state file as two processes have it."""
    states = [State(tmp_path / "state.sqlite") for _ in range(2)]
    yield states
    for state in states:
        state.close()


def test_every_process_tells_of_a_job_and_can_cancel_it(states: list[State], state: State) -> None:
    first, second = (Jobs(state, 4, Metrics()) for state in states)

    def work(job: Job) -> None:
        for step in range(10_000):
            job.progress(step, 10_000)
            time.sleep(0.005)

    job = first.start("test", "shop", work, cleanup=lambda: None)
    place = job.record.id, "shop"
    while second.get(*place).done < 2:
        assert not job.ended.wait(0.02)
    assert second.get(*place).state == "running"
    second.cancel(job.record.id)
    assert job.ended.wait(10)
    assert second.get(*place) == first.get(*place)
    assert second.get(*place).state == "cancelled"
    second.forget(job.record.id)
    assert first.of("shop") == second.of("shop") == []
    for jobs in (first, second):
        jobs.close()


def test_a_job_is_remembered_and_fails_with_its_process(states: list[State], tmp_path: Path, state: State) -> None:
    first, second = (Jobs(state, 2, Metrics()) for state in states)
    go = threading.Event()
    done = first.start("test", "shop", lambda job: {"a": [1]}, cleanup=lambda: None)
    assert done.ended.wait(10)
    lost = first.start("test", "shop", lambda job: go.wait(10), cleanup=lambda: None)
    second.start("test", "shop", lambda job: go.wait(10), cleanup=lambda: None)
    with pytest.raises(Busy):
        second.start("test", "shop", lambda job: go.wait(10), cleanup=lambda: None)
    states[0].close()  # as if it was killed
    found = second.get(lost.record.id, "shop")
    assert (found.state, found.problem and found.problem["detail"]) == (
        "failed",
        "the server stopped before the job had ended: start it again",
    )
    after = second.start("test", "shop", lambda job: None, cleanup=lambda: None)
    go.set()
    assert after.ended.wait(10)
    first.close()
    second.close()
    with Again(tmp_path) as again:
        assert {one.state for one in again.of("shop")} == {"done"}


def test_results_are_those_of_before_the_start(states: list[State], tmp_path: Path) -> None:
    jobs = Jobs(states[0], 4, Metrics())
    job = jobs.start("test", "shop", lambda job: job.progress(3, 3) or {"a": [1, "b"]}, cleanup=lambda: None)
    assert job.ended.wait(10)
    jobs.close()
    with Again(tmp_path) as again:
        (record,) = again.of("shop")
    assert record == JobRecord(job.record.id, "test", "shop", job.record.created, "done", 3, 3, {"a": [1, "b"]})


class Again:
    """The jobs of the next start."""

    def __init__(self, folder: Path) -> None:
        self.state = State(folder / "state.sqlite")
        self.jobs = Jobs(self.state, 4, Metrics())

    def __enter__(self) -> Jobs:
        return self.jobs

    def __exit__(self, *error: object) -> None:
        self.jobs.close()
        self.state.close()


def test_no_result_keeps_the_name_of_a_removed_subject(states: list[State], tmp_path: Path) -> None:
    """Neither of a job that has ended, nor of one that ends later; words of which it is a part are other names."""
    jobs = Jobs(states[0], 8, Metrics())
    go = threading.Event()

    def work(result: Any) -> Any:
        def run(job: Job) -> Any:
            if "late" in result:
                go.wait(10)
            return result

        return run

    results = [{"x": ["gala"]}, {"gala": 1}, {"x": "wrote gala/1.png"}, {"x": "galaxy"}, "late of gala", "late"]
    started = [jobs.start("test", "shop", work(result), cleanup=lambda: None) for result in results]
    for job in started[:4]:
        assert job.ended.wait(10)
    with states[1].transaction() as db:
        forget_results(db, "shop", "gala")
        forget_results(db, "parts", "galaxy")
    go.set()
    for job in started:
        assert job.ended.wait(10)
    states[1].erase()
    records = [jobs.get(job.record.id, "shop") for job in started]
    assert [one.result for one in records] == [None, None, None, {"x": "galaxy"}, None, "late"]
    assert [one.problem for one in records] == [FORGOTTEN, FORGOTTEN, FORGOTTEN, None, FORGOTTEN, None]
    content = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert content.count(b"gala") == content.count(b"galaxy") > 0
    with states[1].transaction() as db:
        forget_results(db, "shop", None)
    assert {one.result for one in jobs.of("shop")} == {None}
    jobs.close()


def test_results_of_subjects_that_another_process_removes_are_forgotten(states: list[State], tmp_path: Path) -> None:
    """Also of those that it removes while the job runs, and of those that the job itself enrolls."""
    jobs = Jobs(states[0], 8, Metrics())
    enrolled = {"gala", "fuji", "galaxy", "a.b"}
    go = threading.Event()

    def work(job: Job) -> Any:
        assert go.wait(10)
        return {"findings": [{"message": "gala/1.png is of fuji"}], "new": "idared"}

    job = jobs.start("test", "shop", work, cleanup=lambda: None, subjects=lambda: set(enrolled))
    other = jobs.start("test", "shop", lambda job: "a-b and galaxy", cleanup=lambda: None, subjects=lambda: enrolled)
    while jobs.get(job.record.id, "shop").state != "running":
        time.sleep(0.01)
    enrolled -= {"gala"}
    enrolled |= {"idared"}
    go.set()
    assert job.ended.wait(10)
    assert other.ended.wait(10)
    named = named_subjects(states[1], "shop")
    assert [json.loads(each) for each in named.values()] == [["fuji", "gala", "idared"], ["galaxy"]]
    assert named_subjects(states[1], "parts") == {}
    forget_gone(states[1], named, enrolled)
    assert [one.problem for one in jobs.of("shop")] == [None, FORGOTTEN]
    content = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert b"fuji" not in content
    assert b"idared" not in content
    assert b"galaxy" in content
    jobs.close()
