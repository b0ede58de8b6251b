"""The nearest that each query may match, some queries at a time, on all processors."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from semelha.measures.among import Among
from semelha.metrics.self_neighbors import MapFunction, is_worthwhile, self_neighbors
from semelha.processors import processors

FOUND = 1 << 22  # neighbors that are looked at at a time

Look = Callable[[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]], None]
"""Of some queries: their rows (q,), and of each the places found, the distances, and whether it may match them."""


class Comparison(Protocol):
    """What finds the nearest: a `Metric`, or what else tells how far apart rows are."""

    def nearest(self, q: Any, s: Any, k: int) -> tuple[Any, Any]:
        """Positions in s and distances of the k nearest of each q, ties by position: each (queries, k)."""
        ...


def search(
    queries: NDArray[Any], among: Among, deep: int, look: Look, *, metric: Comparison, block: int | None = None
) -> None:
    """Let `look` see the nearest of all queries, `deep` of each, those behind the others that it must not match.

    Parameters
    ----------
    queries : (n, …)
    among : Among
    deep : int
        Up to the number of what is searched.
    look : Look
        Called from several threads, each query in one call.
    metric : Metric or Comparison
    block : int, optional
        Queries at a time; by default what some megabytes hold.
    """
    reach = min(deep + int(among.hidden().max(initial=0)), len(among.vectors))
    n = len(queries)

    def some(start: int) -> None:
        rows = np.arange(start, min(start + size, n))
        places, away = nearest(rows)
        allowed = among.allowed(rows, places)
        order = np.argsort(~allowed, axis=1, kind="stable")[:, :deep]
        look(rows, *(np.take_along_axis(each, order, axis=1) for each in (places, away, allowed)))

    size = block or max(1, min(-(-n // processors()), FOUND // max(1, reach)))
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(processors()) as pool:
        nearest = _nearest(queries, among, reach, metric, pool.map)
        list(pool.map(some, range(0, n if reach else 0, size)))


def _nearest(
    queries: NDArray[Any], among: Among, reach: int, metric: Any, map_function: MapFunction
) -> Callable[[NDArray[np.int64]], tuple[Any, Any]]:
    """What finds the nearest of some queries, by their rows. Where all are searched for among themselves, at once."""
    if among.itself and is_worthwhile(metric, len(queries), reach):
        found = self_neighbors(metric, queries, reach, map_function=map_function)
        if found is not None:
            return lambda rows: (found.positions[rows], found.distances[rows])
    return lambda rows: metric.nearest(queries[rows], among.vectors, reach)
