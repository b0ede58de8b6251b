"""Re-ranking by k-reciprocal neighbors: near is what has the same pictures near it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from semelha.errors import UsageError
from semelha.evaluation.rerank import Places, Rows, SecondSearch, Vectors, neighbors
from semelha.metrics import Metric

PAIRS = 1 << 16
BLOCK = 1 << 21  # numbers of a block of distances
ROWS = 1 << 12


@dataclass(frozen=True)
class KReciprocal:
    """Re-ranking with k-reciprocal encoding (Zhong, Zheng, Cao and Li, CVPR 2017).

    Two pictures are near if the pictures that have each of them among their own nearest, and are so had, are the same
    ones. Queries and references are one set, as in the authors' code, so that a query is looked at among the others;
    a picture is the first of its own neighbors. Memory is O(n · k).

    Parameters
    ----------
    k1 : int
        Neighbors among which those are reciprocal that also have the picture among theirs.
    k2 : int
        Pictures, itself and its nearest, whose encodings are averaged (equation 11).
    weight : float
        λ, that of the first distance; that of Jaccard has the rest (equation 12). First distances are divided by the
        largest there is, so that it means the same under any metric.
    """

    k1: int = 20
    k2: int = 6
    weight: float = 0.3

    def __post_init__(self) -> None:
        if self.k1 < 2 or not 1 <= self.k2 <= self.k1 or not 0 <= self.weight <= 1:
            raise UsageError("re-ranking takes k1 ≥ 2, k2 from 1 to k1, and a weight between 0 and 1")

    def __call__(
        self, vectors: Vectors, queries: Places, references: Places, *, metric: Metric, groups: Rows
    ) -> SecondSearch:
        """Rows become places in one set, which `Encoded` compares."""
        members = np.union1d(queries, references)
        near = np.full((len(members), self.k1 + 1), -1)
        near[:, 0] = np.arange(len(members))
        found, _ = neighbors(vectors, members, members, self.k1, metric=metric, groups=groups)
        near[:, 1 : found.shape[1] + 1] = found
        encoded = Encoded(vectors[members], near, self, metric)
        return SecondSearch(
            np.searchsorted(members, queries)[:, None], np.searchsorted(members, references)[:, None], encoded
        )


class Encoded:
    """Pictures by their k-reciprocal neighbors: (1 − λ) Jaccard distance + λ first distance (equations 7 to 12).

    Parameters
    ----------
    vectors : (n, d)
    near : (n, k1 + 1) int64
        Itself and its nearest; −1 where there are no more.
    settings : KReciprocal
    metric : Metric
        The first distance.
    """

    def __init__(self, vectors: Vectors, near: Places, settings: KReciprocal, metric: Metric) -> None:
        self._vectors, self._metric, self._weight = vectors, metric, settings.weight
        self._largest = _largest(vectors, metric) or 1.0
        mutual = _reciprocal(near)  # (n, n): R(p, k1), equation 3
        half = _reciprocal(near[:, : settings.k1 // 2 + 1])
        wider = _widened(mutual, half).tocoo()
        first = self._first(wider.row, wider.col)
        encoding = sparse.csr_array((np.exp(-first), (wider.row, wider.col)), shape=wider.shape)  # equation 7
        around = _lists(near[:, : settings.k2])
        self._encoding = (around @ encoding / around.sum(axis=1)[:, None]).tocsr()  # equation 11
        self._sums = self._encoding.sum(axis=1)

    def pairwise(self, q: Rows, s: Rows) -> NDArray[np.float32]:
        """Distances of the pictures at places (queries, 1) to those at (references, 1): (queries, references)."""
        return self._compared(q[:, 0], s[:, 0], self._encoding[s[:, 0]].tocsc())

    def nearest(self, q: Rows, s: Rows, k: int) -> tuple[Places, NDArray[np.float32]]:
        """The k nearest of each by `pairwise`, ties by position: positions and distances, (queries, k) each."""
        columns = self._encoding[s[:, 0]].tocsc()
        places, away = np.empty((len(q), k), np.int64), np.empty((len(q), k), np.float32)
        step = max(1, BLOCK // len(s))
        for start in range(0, len(q), step):
            rows = slice(start, start + step)
            distances = self._compared(q[rows, 0], s[:, 0], columns)
            places[rows] = np.argsort(distances, axis=1, kind="stable")[:, :k]
            away[rows] = np.take_along_axis(distances, places[rows], axis=1)
        return places, away

    def _compared(self, queries: Places, references: Places, columns: sparse.csc_array) -> NDArray[np.float32]:
        """`pairwise`; columns are the encodings of the references."""
        out = np.empty((len(queries), len(references)), np.float32)
        for row, place in enumerate(queries):
            begin, end = self._encoding.indptr[place : place + 2]
            support, values = self._encoding.indices[begin:end], self._encoding.data[begin:end]
            starts = columns.indptr[support]
            counts = columns.indptr[support + 1] - starts
            at = np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
            least = np.minimum(np.repeat(values, counts), columns.data[at])
            common = np.bincount(columns.indices[at], least, minlength=len(references))  # Σ min, equation 10
            out[row] = 1 - common / (self._sums[place] + self._sums[references] - common)
        first = np.asarray(self._metric.pairwise(self._vectors[queries], self._vectors[references]))
        return np.asarray((1 - self._weight) * out + self._weight * first / self._largest, np.float32)

    def _first(self, rows: Places, columns: Places) -> NDArray[np.float64]:
        """First distances of pairs, divided by the largest: (m,), (m,) → (m,)."""
        parts = [
            self._metric.between(self._vectors[rows[i : i + PAIRS]], self._vectors[columns[i : i + PAIRS]])
            for i in range(0, len(rows), PAIRS)
        ]
        return np.concatenate(parts).astype(np.float64) / self._largest


def _largest(vectors: Vectors, metric: Metric) -> float:
    """The largest finite distance between any two of them."""
    step = max(1, BLOCK // len(vectors))
    parts = (np.asarray(metric.pairwise(vectors[i : i + step], vectors)) for i in range(0, len(vectors), step))
    return max(float(part.max(initial=0, where=np.isfinite(part))) for part in parts)


def _lists(near: Places) -> sparse.csr_array:
    """(n, n): 1 where the column is in the list of the row."""
    there = near >= 0
    rows = np.repeat(np.arange(len(near)), there.sum(axis=1))
    return sparse.csr_array((np.ones(len(rows), np.int64), (rows, near[there])), shape=(len(near), len(near)))


def _reciprocal(near: Places) -> sparse.csr_array:
    """(n, n): 1 where each is in the list of the other."""
    lists = _lists(near)
    return lists.multiply(lists.T).tocsr()


def _widened(mutual: sparse.csr_array, half: sparse.csr_array) -> sparse.csr_array:
    """R*(p, k1): R(p, k1), and R(q, k1/2) of each q in it of which two thirds lie in it (equation 5)."""
    sizes, parts = half.sum(axis=1), []
    for start in range(0, mutual.shape[0], ROWS):
        rows = mutual[start : start + ROWS]
        shared = (rows @ half.T).multiply(rows).tocsr()  # |R(p, k1) ∩ R(q, k1/2)| for q in R(p, k1)
        shared.data = (3 * shared.data >= 2 * sizes[shared.indices]).astype(np.int64)
        parts.append((rows + shared @ half) > 0)
    return sparse.vstack(parts, format="csr")
