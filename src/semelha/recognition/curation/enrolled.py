"""Enrolled examples with their subjects, neighbors and distances: the input of a check."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from semelha.metrics import Metric

N_NEAREST = 2  # examples of a subject whose mean distance is the distance to the subject
BLOCK = 1 << 20  # distances in memory at a time

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EnrolledExamples:
    """Enrolled examples, one a row of `vectors` (n, d).

    `subjects` (n,) numbers the subject of each example from 0. `neighbors` (n, k) are other rows near each row, nearest
    first, −1 if there are no more; `distances` (n, k) are their exact distances, infinite beside −1.
    """

    vectors: NDArray[np.float32]
    subjects: Rows
    neighbors: Rows
    distances: NDArray[np.float64]
    metric: Metric

    def __len__(self) -> int:
        return len(self.subjects)

    @cached_property
    def rows_of(self) -> list[Rows]:
        """Rows of each subject."""
        order = np.argsort(self.subjects, kind="stable")
        return np.split(order, np.cumsum(self.sizes)[:-1])

    @cached_property
    def sizes(self) -> Rows:
        """Examples of each subject: (subjects,)."""
        return np.bincount(self.subjects)

    def table(self, rows: Rows, others: Rows) -> NDArray[np.float64]:
        """Distances between rows: (rows, others)."""
        q, s = (self.vectors[chosen].astype(np.float64) for chosen in (rows, others))
        return np.asarray(self.metric.pairwise(q, s, check=False))

    def distance_to_subject(self, row: int, subject: int) -> float:
        """Mean distance of a row to its nearest examples of a subject, without itself."""
        others = self.rows_of[subject]
        return float(mean_of_nearest(self.table(np.array([row]), others[others != row]))[0])

    @property
    def own_distance(self) -> NDArray[np.float64]:
        """Mean distance to the nearest other examples of its subject: (n,); infinite if there are none."""
        return self._own[:, 1]

    @property
    def nearest_own(self) -> NDArray[np.float64]:
        """Distance to the nearest other example of its subject: (n,); infinite if there is none."""
        return self._own[:, 0]

    @cached_property
    def _own(self) -> NDArray[np.float64]:
        found = np.full((len(self), 2), np.inf)
        for rows in self.rows_of:
            if len(rows) < 2:
                continue
            step = max(1, BLOCK // len(rows))
            for start in range(0, len(rows), step):
                some = rows[start : start + step]
                table = self.table(some, rows)
                table[np.arange(len(some)), start + np.arange(len(some))] = np.inf
                found[some, 0] = table.min(axis=1)
                found[some, 1] = mean_of_nearest(table, most=len(rows) - 1)
        return found

    @cached_property
    def nearest_other_subject(self) -> tuple[Rows, NDArray[np.float64]]:
        """The nearest other subject among the neighbors, −1 for none, and a lower bound of its distance: each (n,).

        If fewer than `N_NEAREST` examples of the subject are among the neighbors, the distance of the last neighbor
        replaces that of the missing ones, which are at least as far.
        """
        return self.nearest_subject_except(np.arange(len(self)), self.subjects[:, None])

    def nearest_subject_except(self, rows: Rows, excluded: Rows) -> tuple[Rows, NDArray[np.float64]]:
        """The same for rows (q,) and all subjects but `excluded` (q, c)."""
        neighbors, near = self.neighbors[rows], self.distances[rows]
        owners = np.where(neighbors >= 0, self.subjects[neighbors], -1)
        lines, places = np.nonzero((owners >= 0) & (owners[:, :, None] != excluded[:, None, :]).all(axis=2))
        who, distances = owners[lines, places], near[lines, places]
        order = np.lexsort((places, who, lines))
        lines, who, distances = lines[order], who[order], distances[order]
        fresh = np.ones(len(lines), bool)
        fresh[1:] = (lines[1:] != lines[:-1]) | (who[1:] != who[:-1])
        starts, group = np.flatnonzero(fresh), np.cumsum(fresh) - 1
        counted = np.arange(len(lines)) - starts[group] < N_NEAREST
        sums = np.bincount(group[counted], distances[counted], len(starts))
        counts = np.bincount(group[counted], minlength=len(starts))
        lines, who = lines[starts], who[starts]
        wanted = np.minimum(N_NEAREST, self.sizes[who])
        last = np.where(np.isfinite(near), near, -np.inf).max(axis=1, initial=-np.inf)
        means = (sums + (wanted - counts) * last[lines]) / wanted
        found, far = np.full(len(rows), -1, np.int64), np.where(np.isfinite(last), last, np.inf)
        order = np.lexsort((who, means, lines))
        some, first = np.unique(lines[order], return_index=True)
        found[some], far[some] = who[order[first]], means[order[first]]
        return found, far


def mean_of_nearest(table: NDArray[np.float64], most: int | None = None) -> NDArray[np.float64]:
    """Mean of the `N_NEAREST` smallest distances, or of at most `most`, in each line: (q, m) → (q,)."""
    count = min(N_NEAREST, table.shape[1] if most is None else most)
    if not count:
        return np.full(len(table), np.inf)
    return np.asarray(np.partition(table, count - 1, axis=1)[:, :count].mean(axis=1))
