"""Re-ranking: search a second time with queries or distances that the first neighbors have changed.

`QueryExpansion` and `KReciprocal` improve retrieval if there are many pictures of each class, at the cost of a second
search. They use vectors only, never labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from semelha.errors import UsageError
from semelha.measures.retrieval import Retrieval, retrieval
from semelha.measures.search import NeighborSearch, SearchTask, search_neighbors
from semelha.metrics import MappedMetric, Metric

PAIRS_IN_MEMORY = 1 << 16
DISTANCES_IN_MEMORY = 1 << 21
ROWS_IN_MEMORY = 1 << 12

Rows = NDArray[np.int64]
Vectors = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class SecondSearch:
    """What to compare in place of the vectors: queries, references, and the search."""

    queries: NDArray[Any]
    references: NDArray[Any]
    metric: NeighborSearch


@runtime_checkable
class Rerank(Protocol):
    """Makes the second search from the neighbors of the first."""

    def __call__(
        self, vectors: Vectors, queries: Rows, references: Rows, *, metric: Metric, groups: Rows
    ) -> SecondSearch:
        """For rows of vectors (n, d); a query uses no reference of its own group (n,)."""
        ...


def reranked_retrieval(
    rerank: Rerank,
    vectors: Vectors,
    labels: NDArray[Any],
    queries: Rows,
    references: Rows,
    *,
    metric: Metric,
    groups: NDArray[Any] | None = None,
    ks: Sequence[int] = (1, 5, 10),
) -> Retrieval:
    """Compute `retrieval` with a second search, for rows of the vectors (n, d), labels (n,) and groups (n,).

    Raises `UsageError` if `rerank` does not take the metric.
    """
    group_of = _group_numbers(groups, len(labels))
    second = rerank(vectors, queries, references, metric=metric, groups=group_of)
    return retrieval(
        second.queries,
        labels[queries],
        second.references,
        labels[references],
        metric=second.metric,
        query_groups=group_of[queries],
        reference_groups=group_of[references],
        ks=ks,
    )


@dataclass(frozen=True)
class QueryExpansion:
    """α query expansion (Radenović, Tolias and Chum, TPAMI 2018, section 4.3), for vectors compared by cosine.

    The query becomes q + Σ ⟨q, xᵢ⟩^α xᵢ over its nearest references xᵢ, all of norm 1. The references do not change.

    Parameters
    ----------
    neighbors : int
        Nearest references to add.
    alpha : float
        0 or more: how much less farther neighbors count; 0 is their mean.

    Raises
    ------
    UsageError
        A parameter is out of range; when called, the metric is not cosine.
    """

    neighbors: int = 5
    alpha: float = 3.0

    def __post_init__(self) -> None:
        if self.neighbors < 1 or self.alpha < 0:
            raise UsageError("query expansion takes neighbors of 1 or more, and an alpha of 0 or more")

    def __call__(
        self, vectors: Vectors, queries: Rows, references: Rows, *, metric: Metric, groups: Rows
    ) -> SecondSearch:
        """Move each query toward its nearest references."""
        if not (isinstance(metric, MappedMetric) and metric.is_cosine):
            raise UsageError(f"query expansion needs vectors compared by cosine, not by {metric.name}")
        unit = metric.query_map(vectors)
        found, distances = nearest_references(
            vectors, queries, references, self.neighbors, metric=metric, groups=groups
        )
        exists = np.isfinite(distances)  # (queries, neighbors)
        weights = np.where(exists, np.maximum(1 - np.where(exists, distances, 1), 0) ** self.alpha, 0)
        moved = unit[queries].copy()
        for rows, weight in zip(found.T, weights.astype(unit.dtype).T, strict=True):
            moved += weight[:, None] * unit[references[rows]]
        return SecondSearch(moved, unit[references], metric)


def nearest_references(
    vectors: Vectors, queries: Rows, references: Rows, k: int, *, metric: Metric, groups: Rows
) -> tuple[Rows, NDArray[np.float64]]:
    """The k nearest references of each query, or all if there are fewer, and the distances: (queries, k) each.

    Excluded references are −1, at infinity.
    """
    task = SearchTask.build(
        vectors[queries], queries, vectors[references], references, groups[queries], groups[references]
    )
    k = min(k, len(references))
    found, distances = np.full((len(queries), k), -1), np.full((len(queries), k), np.inf)

    def visit(rows: Rows, positions: Rows, away: NDArray[np.float64], allowed: NDArray[np.bool_]) -> None:
        found[rows], distances[rows] = np.where(allowed, positions, -1), np.where(allowed, away, np.inf)

    search_neighbors(vectors[queries], task, k, visit, metric=metric)
    return found, distances


def _group_numbers(groups: NDArray[Any] | None, n: int) -> Rows:
    """A number for each group, and a different one for each picture without a group: (n,)."""
    numbers: dict[Any, int] = {}
    names = [row if groups is None or groups[row] is None else ("group", groups[row]) for row in range(n)]
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)


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

    `near`, (n, k1 + 1), has each picture and its nearest, and −1 if there are no more.
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
