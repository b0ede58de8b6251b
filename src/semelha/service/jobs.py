"""Long work in the background: its state, its progress, its result, and how it is cancelled."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from semelha.service.metrics import Metrics
from semelha.service.problems import Busy, PrematureStop, Problem, problem_of

logger = logging.getLogger(__name__)

State = Literal["queued", "running", "done", "failed", "cancelled"]
THREADS = 2


class JobCancelled(Exception):
    """Raised inside the work of a job that was cancelled."""


@dataclass(eq=False)
class Job:
    """One piece of work. `progress` is called by the work, and ends it if the job was cancelled."""

    kind: str
    gallery: str
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    state: State = "queued"
    done: int = 0
    total: int = 0
    result: Any = None
    problem: Problem | None = None
    cancelling: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def progress(self, done: int, total: int) -> None:
        """Record the progress. Raises `JobCancelled`."""
        self.done, self.total = done, total
        if self.cancelling.is_set():
            raise JobCancelled

    @property
    def version(self) -> tuple[object, ...]:
        """What changes when there is something new to tell."""
        return self.state, self.done, self.total


class Jobs:
    """The jobs of a server. It remembers the latest `most`, and refuses more that have not ended."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most = most
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(THREADS, "job")
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self.stopping = threading.Event()

    def start(self, kind: str, gallery: str, work: Callable[[Job], Any], *, cleanup: Callable[[], None]) -> Job:
        """Begin a job, which runs `work` and then, in any case, `cleanup`. Raises `Busy` or `PrematureStop`."""
        job = Job(kind, gallery)
        try:
            self._add(job)
            future = self._pool.submit(copy_context().run, self._run, job, work)  # on behalf of the same caller
        except BaseException:
            cleanup()
            raise
        future.add_done_callback(lambda ended: self._end(job, ended, cleanup))
        return job

    def get(self, number: str, gallery: str) -> Job:
        """A job of a gallery, by its id. Raises `Problem` (404)."""
        job = self._jobs.get(number)
        if job is None or job.gallery != gallery:
            raise Problem(404, "job-not-found", "there is no job with that id: the server remembers the latest alone")
        return job

    def of(self, gallery: str) -> list[Job]:
        """The jobs of a gallery, latest first."""
        with self._lock:
            return [job for job in reversed(self._jobs.values()) if job.gallery == gallery]

    def cancel(self, job: Job) -> None:
        """End a job at its next step; what it has written stays."""
        job.cancelling.set()

    def forget(self, job: Job) -> None:
        """Remember a job that has ended no more."""
        if job.ended.is_set():
            with self._lock:
                self._jobs.pop(job.id, None)

    def stop(self) -> None:
        """Cancel every job, and accept no more."""
        self.stopping.set()
        for job in list(self._jobs.values()):
            self.cancel(job)

    def close(self) -> None:
        """`stop`, and wait until all have ended."""
        self.stop()
        self._pool.shutdown()

    def _add(self, job: Job) -> None:
        with self._lock:
            if self.stopping.is_set():
                raise PrematureStop
            ended = [each for each in self._jobs.values() if each.ended.is_set()]
            if len(self._jobs) >= self._most and not ended:
                raise Busy(f"{len(self._jobs)} jobs wait already: try again", after=10)
            if len(self._jobs) >= self._most:
                del self._jobs[ended[0].id]
            self._jobs[job.id] = job

    def _run(self, job: Job, work: Callable[[Job], Any]) -> Any:
        job.progress(0, 0)
        job.state = "running"
        return work(job)

    def _end(self, job: Job, ended: Future[Any], cleanup: Callable[[], None]) -> None:
        cleanup()
        error = ended.exception()
        if error is None:
            job.result, job.state = ended.result(), "done"
        elif isinstance(error, JobCancelled):
            job.state = "cancelled"
        else:
            job.problem = problem_of(error if isinstance(error, Exception) else RuntimeError(str(error)))
            job.state = "failed"
            is_ours = job.problem.status_code >= 500
            level = logging.ERROR if is_ours else logging.INFO
            logger.log(
                level, "the job %s (%s) failed: %s", job.id, job.kind, error, exc_info=error if is_ours else None
            )
        self._metrics.jobs.labels(job.state).inc()
        job.ended.set()
