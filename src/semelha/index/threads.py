"""A number of threads that holds over all callers of an index."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

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

    def taken(self, queries: int) -> Taken:
        """A context with as many of the free threads as the queries are worth, one at least."""
        with self._turn:
            while not self._free:
                self._turn.wait()
            count = max(1, min(self._free, queries // SHARE))
            self._free -= count
        return Taken(count, self._give_back)

    def _give_back(self, count: int) -> None:
        with self._turn:
            self._free += count
            self._turn.notify()


class Taken:
    """A context in which FAISS takes `count` threads for what the calling thread asks of it.

    Parameters
    ----------
    count : int
    done : callable, optional
        Told the count at the end.
    """

    def __init__(self, count: int, done: Callable[[int], None] = lambda count: None) -> None:
        self._count = count
        self._done = done

    def __enter__(self) -> None:
        self._before = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(self._count)

    def __exit__(self, *error: object) -> None:
        faiss.omp_set_num_threads(self._before)
        self._done(self._count)
