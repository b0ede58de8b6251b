"""Limit the number of threads at work in an index, for all its callers together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cached_property
from typing import TypeVar

import faiss

from semelha.errors import UsageError
from semelha.processors import processors

MIN_SHARE = 16  # queries per thread; for fewer, another thread costs more than it saves
BLAS = 800  # numbers of queries per thread from which matrix products are faster than single distances
FAISS_BLAS = 128_000  # the default of FAISS 1.15, with which batches of hundreds of queries are ten times slower

T = TypeVar("T")


if faiss.cvar.distance_compute_blas_threshold == FAISS_BLAS:
    faiss.cvar.distance_compute_blas_threshold = BLAS * processors()


class Threads:
    """A budget of threads that callers share; they wait if none is free. Raises `UsageError` for a count below 1."""

    def __init__(self, count: int | None = None) -> None:
        if count is not None and count < 1:
            raise UsageError(f"threads is {count}: it must be 1 or more")
        self.count = count or processors()
        self._free = self.count
        self._waiting = 0
        self._turn = threading.Condition(threading.Lock())

    def share(self, n: int, work: Callable[[slice], T]) -> list[T]:
        """Results of `work` on slices of n queries, each in its own thread: as many as are free and pay."""
        count = self._take(n)
        try:
            if count == 1:
                return [_alone(work, slice(0, n))]
            size = -(-n // count)
            first, *others = [slice(start, min(start + size, n)) for start in range(0, n, size)]
            waiting = [self._pool.submit(_alone, work, part) for part in others]
            try:
                done = _alone(work, first)
            finally:
                wait(waiting)  # before their threads are released
            return [done, *(one.result() for one in waiting)]
        finally:
            self._give_back(count)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.count, thread_name_prefix="semelha-search")

    def _take(self, n: int) -> int:
        with self._turn:
            while not self._free:
                self._waiting += 1
                self._turn.wait()
                self._waiting -= 1
            count = max(1, min(self._free, n // MIN_SHARE))
            self._free -= count
            return count

    def _give_back(self, count: int) -> None:
        with self._turn:
            self._free += count
            if self._waiting:
                self._turn.notify(count)


class FaissThreads:
    """A context in which FAISS uses `count` threads for calls of the current thread."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __enter__(self) -> None:
        self._before = faiss.omp_get_max_threads()
        if self._before != self._count:
            faiss.omp_set_num_threads(self._count)

    def __exit__(self, *error: object) -> None:
        if self._before != self._count:
            faiss.omp_set_num_threads(self._before)


def _alone(work: Callable[[slice], T], part: slice) -> T:
    with FaissThreads(1):
        return work(part)
