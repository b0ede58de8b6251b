"""Re-ranking by k-reciprocal neighbors (Zhong, Zheng, Cao and Li, CVPR 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from semelha.errors import UsageError
from semelha.evaluation.rerank import Rows, SecondSearch, Vectors, nearest_references
from semelha.metrics import Metric

PAIRS_IN_MEMORY = 1 << 16
DISTANCES_IN_MEMORY = 1 << 21
ROWS_IN_MEMORY = 1 << 12


@dataclass(frozen=True)
class KReciprocal:
    """Re-ranking with k-reciprocal encoding (Zhong, Zheng, Cao and Li, CVPR 2017).

    Two pictures are reciprocal neighbors if each is among the nearest of the other. The re-ranked distance is small if
    two pictures have the same reciprocal neighbors. Queries and references form one set, as in the authors' code, and a
    picture is its own first neighbor. Memory is O(n · k).

    Parameters
    ----------
    k1 : int
        Number of nearest neighbors to take the reciprocal ones from, 2 or more.
    k2 : int
        Number of pictures, the picture and its nearest, whose encodings are averaged (equation 11), from 1 to `k1`.
    weight : float
        λ, the weight of the first distance, between 0 and 1; the Jaccard distance has the rest (equation 12). First
        distances are divided by the largest, so that λ means the same under any metric.

    Raises
    ------
    UsageError
        A parameter is out of range.
    """

    k1: int = 20
    k2: int = 6
    weight: float = 0.3

    def __post_init__(self) -> None:
        if self.k1 < 2 or not 1 <= self.k2 <= self.k1 or not 0 <= self.weight <= 1:
            raise UsageError("re-ranking takes k1 ≥ 2, k2 from 1 to k1, and a weight between 0 and 1")

    def __call__(
        self, vectors: Vectors, queries: Rows, references: Rows, *, metric: Metric, groups: Rows
    ) -> SecondSearch:
        """Encode queries and references by their reciprocal neighbors."""
        members = np.union1d(queries, references)
        near = np.full((len(members), self.k1 + 1), -1)
        near[:, 0] = np.arange(len(members))
        found, _ = nearest_references(vectors, members, members, self.k1, metric=metric, groups=groups)
        near[:, 1 : found.shape[1] + 1] = found
        encoding = ReciprocalEncoding(vectors[members], near, self, metric)
        q, s = (np.searchsorted(members, rows)[:, None] for rows in (queries, references))
        return SecondSearch(q, s, encoding)


class ReciprocalEncoding:
    """Distances between encoded pictures: (1 − λ) Jaccard distance + λ first distance (equations 7 to 12).

    Parameters
    ----------
    vectors : (n, d)
    near : (n, k1 + 1) int64
        Each picture and its nearest; −1 if there are no more.
    settings : KReciprocal
    metric : Metric
        Of the first distance.
    """

    def __init__(self, vectors: Vectors, near: Rows, settings: KReciprocal, metric: Metric) -> None:
        self._vectors, self._metric, self._weight = vectors, metric, settings.weight
        self._largest = _largest_distance(vectors, metric) or 1.0
        mutual = _reciprocal(near)  # (n, n): R(p, k1), equation 3
        half = _reciprocal(near[:, : settings.k1 // 2 + 1])
        expanded = _expanded(mutual, half).tocoo()
        first = self._first_distances(expanded.row, expanded.col)
        encoding = sparse.csr_array((np.exp(-first), (expanded.row, expanded.col)), shape=expanded.shape)  # equation 7
        neighborhood = _membership(near[:, : settings.k2])
        self._encoding = (neighborhood @ encoding / neighborhood.sum(axis=1)[:, None]).tocsr()  # equation 11
        self._sums = self._encoding.sum(axis=1)

    def pairwise(self, q: Rows, s: Rows) -> NDArray[np.float32]:
        """Distances of the pictures at rows (queries, 1) to those at (references, 1): (queries, references)."""
        return self._distances(q[:, 0], s[:, 0], self._encoding[s[:, 0]].tocsc())

    def nearest(self, q: Rows, s: Rows, k: int) -> tuple[Rows, NDArray[np.float32]]:
        """The k nearest of each by `pairwise`, ties by position: positions and distances, (queries, k) each."""
        columns = self._encoding[s[:, 0]].tocsc()
        positions, nearest = np.empty((len(q), k), np.int64), np.empty((len(q), k), np.float32)
        step = max(1, DISTANCES_IN_MEMORY // len(s))
        for start in range(0, len(q), step):
            rows = slice(start, start + step)
            distances = self._distances(q[rows, 0], s[:, 0], columns)
            positions[rows] = np.argsort(distances, axis=1, kind="stable")[:, :k]
            nearest[rows] = np.take_along_axis(distances, positions[rows], axis=1)
        return positions, nearest

    def _distances(self, queries: Rows, references: Rows, columns: sparse.csc_array) -> NDArray[np.float32]:
        """`pairwise` with the encodings of the references as columns."""
        jaccard = np.empty((len(queries), len(references)), np.float32)
        for i, row in enumerate(queries):
            begin, end = self._encoding.indptr[row : row + 2]
            support, values = self._encoding.indices[begin:end], self._encoding.data[begin:end]
            starts = columns.indptr[support]
            counts = columns.indptr[support + 1] - starts
            at = np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
            smaller = np.minimum(np.repeat(values, counts), columns.data[at])
            common = np.bincount(columns.indices[at], smaller, minlength=len(references))  # Σ min, equation 10
            jaccard[i] = 1 - common / (self._sums[row] + self._sums[references] - common)
        first = np.asarray(self._metric.pairwise(self._vectors[queries], self._vectors[references]))
        return np.asarray((1 - self._weight) * jaccard + self._weight * first / self._largest, np.float32)

    def _first_distances(self, rows: Rows, columns: Rows) -> NDArray[np.float64]:
        """First distances of pairs, divided by the largest: (m,), (m,) → (m,)."""
        parts: list[Any] = []
        for start in range(0, len(rows), PAIRS_IN_MEMORY):
            pairs = slice(start, start + PAIRS_IN_MEMORY)
            parts.append(self._metric.between(self._vectors[rows[pairs]], self._vectors[columns[pairs]]))
        return np.concatenate(parts).astype(np.float64) / self._largest


def _largest_distance(vectors: Vectors, metric: Metric) -> float:
    """The largest finite distance between two vectors."""
    step = max(1, DISTANCES_IN_MEMORY // len(vectors))
    parts = (np.asarray(metric.pairwise(vectors[i : i + step], vectors)) for i in range(0, len(vectors), step))
    return max(float(part.max(initial=0, where=np.isfinite(part))) for part in parts)


def _membership(near: Rows) -> sparse.csr_array:
    """(n, n): 1 if the column is in the list of the row."""
    exists = near >= 0
    rows = np.repeat(np.arange(len(near)), exists.sum(axis=1))
    return sparse.csr_array((np.ones(len(rows), np.int64), (rows, near[exists])), shape=(len(near), len(near)))


def _reciprocal(near: Rows) -> sparse.csr_array:
    """(n, n): 1 if each is in the list of the other."""
    lists = _membership(near)
    return lists.multiply(lists.T).tocsr()


def _expanded(mutual: sparse.csr_array, half: sparse.csr_array) -> sparse.csr_array:
    """R*(p, k1): R(p, k1), and R(q, k1/2) of each q in it of which two thirds lie in it (equation 5)."""
    sizes, parts = half.sum(axis=1), []
    for start in range(0, mutual.shape[0], ROWS_IN_MEMORY):
        rows = mutual[start : start + ROWS_IN_MEMORY]
        shared = (rows @ half.T).multiply(rows).tocsr()  # |R(p, k1) ∩ R(q, k1/2)| for q in R(p, k1)
        shared.data = (3 * shared.data >= 2 * sizes[shared.indices]).astype(np.int64)
        parts.append((rows + shared @ half) > 0)
    return sparse.vstack(parts, format="csr")
