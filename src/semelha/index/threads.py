"""A number of threads that holds over all callers of an index."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import faiss

from semelha.errors import UsageError

SHARE = 8  # queries that are worth a thread of their own


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Threads:
    """At most `count` threads at work, whoever asks: callers share them, and wait where none is free.

    Parameters
    ----------
    count : int, optional
        By default one for each processor that the process may use.
    """

    def __init__(self, count: int | None = None) -> None:
        if count is not None and count < 1:
            raise UsageError(f"threads is {count}: it is 1 or more")
        self.count = count or processors()
        self._free = self.count
        self._turn = threading.Condition(threading.Lock())

    @contextmanager
    def taken(self, queries: int) -> Iterator[int]:
        """As many of the free threads as the queries are worth, one at least."""
        with self._turn:
            while not self._free:
                self._turn.wait()
            taken = max(1, min(self._free, queries // SHARE))
            self._free -= taken
        try:
            with limited(taken):
                yield taken
        finally:
            with self._turn:
                self._free += taken
                self._turn.notify()


@contextmanager
def limited(count: int) -> Iterator[None]:
    """FAISS takes that many threads for what the calling thread asks of it."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
