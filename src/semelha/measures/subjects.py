"""How far each query is from each subject: the distance of the subject's nearest picture."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from semelha.measures.among import Among
from semelha.metrics import Metric
from semelha.processors import processors

FOUND = 1 << 21  # distances in memory at a time, for each thread


@dataclass(frozen=True, eq=False)
class Near:
    """Some queries against every subject.

    Attributes
    ----------
    rows : (q,) int64
        Which queries.
    subjects : (q, subjects) float64
        To the nearest picture of each that the query may match, in ascending order of `Among.labels`; infinite where
        it may match none.
    pictures : (q, m) float64
        To each picture, infinite where it must not be matched.
    """

    rows: NDArray[np.int64]
    subjects: NDArray[np.float64]
    pictures: NDArray[np.float64]


def to_subjects(
    queries: NDArray[np.floating[Any]], among: Among, look: Callable[[Near], None], *, metric: Metric
) -> None:
    """Let `look` see the distances of all queries, some at a time, from several threads.

    Parameters
    ----------
    queries : (n, d) float
    among : Among
    look : callable
    metric : Metric
    """
    order = np.argsort(among.labels, kind="stable")
    starts = np.unique(among.labels[order], return_index=True)[1]
    stored = among.vectors.astype(np.float64)
    places = np.arange(len(stored))[None, :]
    size = max(1, FOUND // max(1, len(stored)))

    def some(start: int) -> None:
        rows = np.arange(start, min(start + size, len(queries)))
        distances = np.asarray(metric.pairwise(queries[rows].astype(np.float64), stored), np.float64)
        distances[~among.allowed(rows, places)] = np.inf
        look(Near(rows, np.minimum.reduceat(distances[:, order], starts, axis=1), distances))

    if len(stored):
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(processors()) as pool:
            list(pool.map(some, range(0, len(queries), size)))
