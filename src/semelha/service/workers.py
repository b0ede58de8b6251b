"""Several processes that serve the same galleries at one address: they are started, watched, replaced and stopped.

The first process listens at the address and starts the others, its workers, which accept the connections. They share
the galleries and the state file. Each has its own embedder, with its share of the processors.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from semelha.errors import SemelhaError, UsageError
from semelha.processors import processors, use_at_most
from semelha.service.serving import address_of, listen, serve
from semelha.service.settings import Settings

logger = logging.getLogger(__name__)

POLL = 0.2  # seconds
PAUSE = 0.5  # seconds until a worker is replaced, doubled each time it ends before it is ready
MAX_STARTS = 5  # in a row that fail
GRACE = 10.0  # seconds after `settings.shutdown`, for jobs to end
METRICS = "PROMETHEUS_MULTIPROC_DIR"
MEMORY = Path("/dev/shm")
"""A folder in memory: with its files elsewhere, prometheus_client would be killed when the disk is full."""


def nothing() -> None:
    """Prepares nothing."""


def serve_in_processes(
    settings: Settings, *, on_ready: Callable[[str], None], prepare: Callable[[], None] = nothing
) -> int:
    """Serve with `settings.workers` processes until SIGTERM or SIGINT; with one, in this process.

    `on_ready` is called with the address when all are ready, and `prepare` in each process before it begins, such as to
    configure its log; a worker gets it pickled. Returns the number of the signal. Raises `UsageError` if the address
    cannot be used, the errors of `create_app`, and `SemelhaError` if workers end as soon as they start.
    """
    prepare()
    if settings.workers == 1:
        from semelha.service.app import create_app

        return serve(create_app(settings), settings, on_ready=on_ready)
    if settings.state is None:
        raise UsageError("several processes share a file for their state: name one as the setting `state`")
    place = MEMORY if os.access(MEMORY, os.W_OK) else settings.temporary
    with listen(settings) as listening, tempfile.TemporaryDirectory(prefix="semelha-metrics-", dir=place) as metrics:
        share = max(1, processors() // settings.workers)
        make = partial(Worker, settings, listening, Path(metrics), share, prepare)
        return Workers(make, settings, Path(metrics)).run(lambda: on_ready(address_of(listening, settings)))


class Worker:
    """A process that serves, and what it reports while it starts."""

    def __init__(
        self,
        settings: Settings,
        listening: socket.socket,
        metrics: Path,
        share: int,
        prepare: Callable[[], None],
    ) -> None:
        context = get_context("spawn")  # a fork of a process with threads may never wake up
        self._reports, reporting = context.Pipe(duplex=False)
        arguments = settings.model_dump(), listening, metrics, share, prepare, reporting
        self.process: SpawnProcess = context.Process(target=_work, args=arguments, name="semelha-worker")
        self.process.start()
        reporting.close()
        self.is_ready = False
        self.error: SemelhaError | None = None

    def listen(self) -> None:
        """Take note of what it has reported."""
        try:
            while not self.is_ready and self._reports.poll():
                kind, text = self._reports.recv()
                self.is_ready = kind is None
                self.error = None if kind is None else kind(text)
        except (EOFError, OSError):
            pass

    def failure(self) -> SemelhaError:
        """Why it ended before it was ready."""
        code = self.process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return self.error or SemelhaError(f"a process of the server ended while it started ({how})")

    def close(self) -> None:
        """Release what belongs to a process that has ended."""
        self._reports.close()
        self.process.close()


@dataclass
class _Place:
    """A worker; without one the time to start it."""

    worker: Worker | None
    due: float = 0.0


class Workers:
    """Starts workers, replaces those that end, and stops all at a signal. `make` starts one."""

    def __init__(self, make: Callable[[], Worker], settings: Settings, metrics: Path) -> None:
        self._make = make
        self._patience = settings.shutdown + GRACE
        self._count = settings.workers
        self._metrics = metrics
        self._places: list[_Place] = []
        self._signals: list[int] = []
        self._failures = 0
        self._has_served = False

    def run(self, on_ready: Callable[[], None]) -> int:
        """Serve until a signal, and return its number. Raises `SemelhaError` if workers end before they are ready."""
        handlers = {each: signal.signal(each, self._noted) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._places = [_Place(self._make()) for _ in range(self._count)]
            while not self._signals:
                running = [place.worker.process.sentinel for place in self._places if place.worker]
                wait(running, POLL)
                for place in self._places:
                    self._check(place)
                if not self._has_served and all(place.worker and place.worker.is_ready for place in self._places):
                    self._has_served = True
                    on_ready()
            return self._signals[0]
        finally:
            self._stop()
            for each, handler in handlers.items():
                signal.signal(each, handler)

    def _noted(self, number: int, _: Any) -> None:
        self._signals.append(number)

    def _check(self, place: _Place) -> None:
        """Start a worker that is due, and see whether one is ready or has ended."""
        if place.worker is None:
            if time.monotonic() >= place.due:
                place.worker = self._make()
            return
        worker, was_ready = place.worker, place.worker.is_ready
        is_alive = worker.process.is_alive()
        worker.listen()
        if worker.is_ready and not was_ready:
            self._failures = 0
        if is_alive:
            return
        number = worker.process.pid
        if not worker.is_ready:
            self._failures += 1
            if not self._has_served or self._failures >= MAX_STARTS:
                raise worker.failure()
            logger.error("the process %s of the server cannot start: %s", number, worker.failure())
        elif not self._signals:
            logger.error("the process %s of the server ended (%s): it is replaced", number, worker.process.exitcode)
        self._forget(worker)
        place.worker, place.due = None, time.monotonic() + PAUSE * 2**self._failures

    def _forget(self, worker: Worker) -> None:
        """Count what a worker did at present no more: its queue, and its requests in flight."""
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.process.pid, str(self._metrics))  # type: ignore[no-untyped-call]
        worker.close()

    def _stop(self) -> None:
        """Let every worker finish what it has accepted, and kill those that take too long."""
        workers = [place.worker for place in self._places if place.worker]
        for worker in workers:
            worker.process.terminate()
        end = time.monotonic() + self._patience
        for worker in workers:
            worker.process.join(max(0.0, end - time.monotonic()))
            if worker.process.is_alive():
                logger.error("the process %s of the server did not end in time, and is killed", worker.process.pid)
                worker.process.kill()
                worker.process.join()
            worker.close()
        self._places.clear()


def _work(
    settings: dict[str, Any],
    listening: socket.socket,
    metrics: Path,
    share: int,
    prepare: Callable[[], None],
    reporting: Connection,
) -> None:
    """Serve, as a worker, until SIGTERM or SIGINT, or until the first process has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process: until it serves, SIGTERM ends it
    threading.Thread(target=_end_with_first, daemon=True).start()
    os.environ[METRICS] = str(metrics)  # read when prometheus_client is imported
    use_at_most(share)
    prepare()
    from threadpoolctl import threadpool_limits

    from semelha.service.app import create_app

    made = Settings.model_construct(**settings)
    with listening:
        try:
            app = create_app(made)
        except SemelhaError as error:
            reporting.send((type(error), str(error)))
            raise SystemExit(1) from None
        threadpool_limits(share)
        serve(app, made, on_ready=lambda _: reporting.send((None, "")), listening=listening)
    first = parent_process()
    if first is None or not first.is_alive():
        shutil.rmtree(metrics, ignore_errors=True)


def _end_with_first() -> None:
    """Stop when the first process was killed: nobody else would."""
    first = parent_process()
    if first is not None:
        wait([first.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
