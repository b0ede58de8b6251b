"""Long work in the background: its state, its progress, its result, and how it is cancelled.

The state file has a row for each job, so that every process of the server answers for all jobs, and the next start for
those before it. A job runs in the process that began it.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import sqlite3
import threading
import time
import unicodedata
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal

from semelha.errors import SemelhaError
from semelha.service.metrics import Metrics
from semelha.service.problems import Busy, PrematureStop, Problem, problem_of
from semelha.service.state import State as StateFile

logger = logging.getLogger(__name__)

State = Literal["queued", "running", "done", "failed", "cancelled"]
AT_WORK = ("queued", "running")
THREADS = 2
STEP = 0.1  # seconds between two writes of the progress
STOPPED = {"status": 503, "kind": "stopped", "detail": "the server stopped before the job had ended: start it again"}
FORGOTTEN = {
    "status": 410,
    "kind": "result-forgotten",
    "detail": "the result named a subject that was removed or renamed since, and is deleted: run the job again",
}


class JobCancelled(Exception):
    """Raised inside the work of a job that was cancelled."""


@dataclass(frozen=True)
class JobRecord:
    """What is known of a job; `problem` has the status, the kind and one sentence."""

    id: str
    kind: str
    gallery: str
    created: str
    state: State = "queued"
    done: int = 0
    total: int = 0
    result: Any = None
    problem: dict[str, Any] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it changes any more."""
        return self.state not in AT_WORK


COLUMNS = ", ".join(field.name for field in fields(JobRecord))


class Job:
    """One piece of work of this process. `progress` is called by the work, and ends it if the job was cancelled.

    `names` are those of the subjects that are enrolled when it begins; `subjects` lists those of any time.
    """

    def __init__(
        self, record: JobRecord, save: Callable[[JobRecord], bool], subjects: Callable[[], Iterable[str]]
    ) -> None:
        self.record = record
        self.subjects = subjects
        self.names: set[str] = set()
        self.cancelling = threading.Event()
        self.ended = threading.Event()
        self.is_stopped = False
        self._save = save
        self._saved = 0.0

    def progress(self, done: int, total: int) -> None:
        """Record the progress. Raises `JobCancelled`."""
        self.update(replace(self.record, done=done, total=total))

    def stop(self) -> None:
        """End it at its next step because the server stops, unless it was cancelled before."""
        self.is_stopped |= not self.cancelling.is_set()
        self.cancelling.set()

    def update(self, record: JobRecord) -> None:
        """Replace the record, which other processes see soon. Raises `JobCancelled`."""
        is_step = record.state == self.record.state
        self.record = record
        if not is_step or time.monotonic() - self._saved >= STEP:
            if self._save(record):
                self.cancelling.set()
            self._saved = time.monotonic()
        if self.cancelling.is_set():
            raise JobCancelled


class Jobs:
    """The jobs of a server. It remembers the latest `most`, and refuses more that have not ended."""

    def __init__(self, state: StateFile, most: int, metrics: Metrics) -> None:
        self._state = state
        self._most = most
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(THREADS, "job")
        self._own: dict[str, Job] = {}
        self.stopping = threading.Event()

    def start(
        self,
        kind: str,
        gallery: str,
        work: Callable[[Job], Any],
        *,
        cleanup: Callable[[], None],
        subjects: Callable[[], Iterable[str]] = tuple,
    ) -> Job:
        """Begin a job, which runs `work` and then, in any case, `cleanup`. Raises `Busy` or `PrematureStop`.

        `subjects` lists the subjects of the gallery: a result is deleted when one that it names is gone.
        """
        created = datetime.now(UTC).isoformat(timespec="seconds")
        job = Job(JobRecord(secrets.token_hex(8), kind, gallery, created), self._save, subjects)
        try:
            self._add(job)
            future = self._pool.submit(copy_context().run, self._run, job, work)  # on behalf of the same caller
        except BaseException:
            cleanup()
            raise
        future.add_done_callback(lambda ended: self._end(job, ended, cleanup))
        return job

    def get(self, number: str, gallery: str) -> JobRecord:
        """A job of a gallery, by its id. Raises `Problem` (404)."""
        found = self._records("id = ? AND gallery = ?", number, gallery)
        if not found:
            raise Problem(404, "job-not-found", "there is no job with that id: the server remembers the latest alone")
        return found[0]

    def records(self, numbers: Sequence[str]) -> dict[str, JobRecord]:
        """Those that are remembered of these jobs, by their ids."""
        found = self._records("id IN (SELECT value FROM json_each(?))", json.dumps(numbers))
        return {one.id: one for one in found}

    def of(self, gallery: str) -> list[JobRecord]:
        """The jobs of a gallery, latest first."""
        return self._records("gallery = ?", gallery)

    def cancel(self, number: str) -> None:
        """End a job at its next step, by its id; what it has written stays."""
        if job := self._own.get(number):
            job.cancelling.set()
        with self._state.transaction() as db:
            db.execute("UPDATE jobs SET cancelling = 1 WHERE id = ?", (number,))

    def forget(self, number: str) -> None:
        """Remember a job no more, if it has ended."""
        with self._state.transaction() as db:
            db.execute("DELETE FROM jobs WHERE id = ? AND state NOT IN (?, ?)", (number, *AT_WORK))

    def stop(self) -> None:
        """End every job of this process, and accept no more."""
        self.stopping.set()
        for job in list(self._own.values()):
            job.stop()

    def close(self) -> None:
        """`stop`, and wait until all have ended."""
        self.stop()
        self._pool.shutdown()

    def _records(self, where: str, *values: str) -> list[JobRecord]:
        query = f"SELECT {COLUMNS}, process FROM jobs WHERE {where} ORDER BY number DESC"
        rows = self._state.rows(query, *values)
        lost = {row[-1] for row in rows if row[4] in AT_WORK and not self._state.is_alive(row[-1])}
        if lost:
            with self._state.transaction() as db:
                self._fail(db, lost)
            rows = self._state.rows(query, *values)
        found = [_record(row[:-1]) for row in rows]
        return [self._own[one.id].record if one.id in self._own else one for one in found]

    def _fail(self, db: sqlite3.Connection, processes: set[str]) -> None:
        """Record that jobs have ended with their process."""
        for process in processes:
            done = db.execute(
                "UPDATE jobs SET state = 'failed', problem = ?, removed = '[]' WHERE process = ? AND state IN (?, ?)",
                (json.dumps(STOPPED), process, *AT_WORK),
            )
            self._metrics.jobs.labels("failed").inc(done.rowcount)

    def _add(self, job: Job) -> None:
        if self.stopping.is_set():
            raise PrematureStop
        with self._state.transaction(durable=True) as db:
            rows = db.execute("SELECT number, state, process FROM jobs ORDER BY number").fetchall()
            lost = {process for _, state, process in rows if state in AT_WORK and not self._state.is_alive(process)}
            self._fail(db, lost)
            ended = [number for number, state, process in rows if state not in AT_WORK or process in lost]
            excess = len(rows) + 1 - self._most
            if excess > len(ended):
                raise Busy(f"{len(rows) - len(ended)} jobs wait already: try again", after=10)
            db.executemany("DELETE FROM jobs WHERE number = ?", [(number,) for number in ended[: max(0, excess)]])
            record = job.record
            values = record.id, record.kind, record.gallery, record.created, record.state, self._state.process
            db.execute(
                "INSERT INTO jobs (id, kind, gallery, created, state, process, done, total) "
                "VALUES (?, ?, ?, ?, ?, ?, 0, 0)",
                values,
            )
            self._own[record.id] = job

    def _run(self, job: Job, work: Callable[[Job], Any]) -> Any:
        job.update(replace(job.record, state="running"))
        job.names.update(job.subjects())
        return work(job)

    def _save(self, record: JobRecord) -> bool:
        """Write the progress of a job at work, and return whether another process cancels it."""
        try:
            with self._state.transaction() as db:
                row = db.execute(
                    "UPDATE jobs SET state = ?, done = ?, total = ? WHERE id = ? RETURNING cancelling",
                    (record.state, record.done, record.total, record.id),
                ).fetchone()
        except SemelhaError as error:
            logger.warning("the progress of the job %s cannot be written: %s", record.id, error)
            return False
        return bool(row and row[0])

    def _end(self, job: Job, ended: Future[Any], cleanup: Callable[[], None]) -> None:
        cleanup()
        error = ended.exception()
        record = replace(job.record, state="done", result=None if error else ended.result())
        if isinstance(error, JobCancelled) and job.is_stopped:
            record = replace(record, state="failed", problem=STOPPED)
        elif isinstance(error, JobCancelled):
            record = replace(record, state="cancelled")
        elif error is not None:
            problem = problem_of(error if isinstance(error, Exception) else RuntimeError(str(error)))
            told = {"status": problem.status_code, "kind": problem.kind, "detail": problem.detail}
            record = replace(record, state="failed", problem=told)
            is_ours = problem.status_code >= 500
            level = logging.ERROR if is_ours else logging.INFO
            logger.log(
                level, "the job %s (%s) failed: %s", record.id, record.kind, error, exc_info=error if is_ours else None
            )
        self._metrics.jobs.labels(record.state).inc()
        try:
            job.record = self._finished(record, job)
            del self._own[record.id]
        except (SemelhaError, TypeError, ValueError) as problem:  # such as a full disk
            job.record = record
            logger.error("the end of the job %s cannot be written: %s", record.id, problem)
        job.ended.set()

    def _finished(self, record: JobRecord, job: Job) -> JobRecord:
        """Write the end of a job with the subjects that its result names, or without a result if one is gone."""
        content = [record.result, record.problem]
        with suppress(SemelhaError):
            job.names.update(job.subjects())
        names = _named(content, job.names)
        with self._state.transaction(durable=True) as db:
            row = db.execute("SELECT removed FROM jobs WHERE id = ?", (record.id,)).fetchone()
            removed = json.loads(row[0]) if row else []
            if None in removed or _named(content, removed):
                record, names = replace(record, result=None, problem=FORGOTTEN), set()
            texts = [None if each is None else json.dumps(each) for each in (record.result, record.problem)]
            db.execute(
                "UPDATE jobs SET state = ?, done = ?, total = ?, result = ?, problem = ?, names = ?, removed = '[]' "
                "WHERE id = ?",
                (record.state, record.done, record.total, *texts, json.dumps(sorted(names)), record.id),
            )
        if removed:
            self._state.erase()
        return record


def forget_results(db: sqlite3.Connection, gallery: str, name: str | None) -> None:
    """Delete results that have the name of a subject; without a name all that have any content.

    A job at work does so at its end.
    """
    for number, state, *texts, removed in db.execute(
        "SELECT number, state, result, problem, removed FROM jobs WHERE gallery = ?", (gallery,)
    ).fetchall():
        if state in AT_WORK:
            names = json.dumps([*json.loads(removed), name])
            db.execute("UPDATE jobs SET removed = ? WHERE number = ?", (names, number))
        elif any(text and (name is None or _named(json.loads(text), [name])) for text in texts):
            _forget(db, number)


def named_subjects(state: StateFile, gallery: str) -> dict[int, str]:
    """The subjects that the results of a gallery name, as JSON, by the numbers of the jobs."""
    return dict(state.rows("SELECT number, names FROM jobs WHERE gallery = ? AND names <> '[]'", gallery))


def forget_gone(state: StateFile, named: Mapping[int, str], enrolled: Container[str]) -> None:
    """Delete the results of `named_subjects` that name a subject which is not enrolled any more."""
    gone = [number for number, names in named.items() if any(name not in enrolled for name in json.loads(names))]
    if gone:
        with state.transaction(durable=True) as db:
            for number in gone:
                _forget(db, number)
        state.erase()


def _forget(db: sqlite3.Connection, number: int) -> None:
    values = json.dumps(FORGOTTEN), number
    db.execute("UPDATE jobs SET result = NULL, problem = ?, names = '[]' WHERE number = ?", values)


def _record(row: tuple[Any, ...]) -> JobRecord:
    *values, result, problem = row
    return JobRecord(*values, *(None if text is None else json.loads(text) for text in (result, problem)))


def _named(value: Any, names: Iterable[str]) -> set[str]:
    """The names that are words of a text in a result."""
    text = unicodedata.normalize("NFC", "\n".join(_texts(value)))
    return {one for one in names if one in text and re.search(rf"(?<!\w){re.escape(one)}(?!\w)", text)}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
