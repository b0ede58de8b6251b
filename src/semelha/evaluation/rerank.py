"""A second look at what was found: the query is moved, or the ranking, by the neighbors that it found.

Both are for retrieval among many pictures of each class, and cost a second search. They look at vectors alone, and at
no label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from semelha.errors import UsageError
from semelha.evaluation.measures.blocks import Comparison, blocks
from semelha.evaluation.measures.retrieval import Retrieval, nearest_in, retrieval
from semelha.metrics import Cosine, Metric

PAIRS = 1 << 16
ROWS = 1 << 12

Places = NDArray[np.int64]
Rows = NDArray[Any]
Vectors = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class SecondSearch:
    """What is compared in place of the vectors: rows of queries and of references, and by what."""

    queries: Rows
    references: Rows
    metric: Comparison


class Rerank(Protocol):
    """Looks at the neighbors of queries, and says what to search with a second time."""

    def __call__(
        self, vectors: Vectors, queries: Places, references: Places, *, metric: Metric, groups: Rows
    ) -> SecondSearch:
        """For the rows `queries` and `references` of vectors (n, d); none may look at a row of its own of `groups`."""
        ...


def searched_again(
    rerank: Rerank,
    vectors: Vectors,
    labels: Rows,
    queries: Places,
    references: Places,
    *,
    metric: Metric,
    groups: Rows | None = None,
    ks: Sequence[int] = (1, 5, 10),
) -> Retrieval:
    """`retrieval` with a second look.

    Parameters
    ----------
    rerank : Rerank
    vectors, labels : (n, d), (n,)
    queries, references : (q,), (r,) int64
        Rows of them. A picture never finds itself, nor one of its group.
    metric : Metric
    groups : (n,), optional
        None in them belongs to no group.
    ks : sequence of int
    """
    alone = _numbered(groups, len(labels))
    second = rerank(vectors, queries, references, metric=metric, groups=alone)
    return retrieval(
        second.queries,
        labels[queries],
        second.references,
        labels[references],
        metric=second.metric,
        query_groups=alone[queries],
        reference_groups=alone[references],
        ks=ks,
    )


@dataclass(frozen=True)
class QueryExpansion:
    """α query expansion (Radenović, Tolias and Chum, TPAMI 2018, section 4.3).

    The query becomes q + Σ ⟨q, xᵢ⟩^α xᵢ over its nearest references xᵢ, all of length 1; the references stay as they
    are.

    Parameters
    ----------
    neighbors : int
    alpha : float
        0 or more: how much less the farther of them count; 0 is their mean.
    """

    neighbors: int = 5
    alpha: float = 3.0

    def __post_init__(self) -> None:
        if self.neighbors < 1 or self.alpha < 0:
            raise UsageError("query expansion takes one neighbor or more, and an alpha of 0 or more")

    def __call__(
        self, vectors: Vectors, queries: Places, references: Places, *, metric: Metric, groups: Rows
    ) -> SecondSearch:
        """Raises `UsageError` where vectors are not compared by cosine."""
        if not isinstance(metric, Cosine):
            raise UsageError(f"query expansion adds vectors compared by cosine, and these are by {metric.name}")
        unit = metric.query_map(vectors)
        moved = unit[queries].copy()
        for start, found, distances, _ in _found(
            vectors, queries, references, self.neighbors, metric=metric, groups=groups
        ):
            similarities = np.where(np.isfinite(distances), np.maximum(1 - distances, 0), 0)  # (block, neighbors)
            weights = np.where(np.isfinite(distances), similarities**self.alpha, 0).astype(moved.dtype)
            moved[start : start + len(found)] += np.einsum("qn,qnd->qd", weights, unit[references[found]])
        return SecondSearch(moved, unit[references], metric)


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
        largest = 0.0
        for start, found, distances, farthest in _found(
            vectors, members, members, self.k1, metric=metric, groups=groups
        ):
            near[start : start + len(found), 1 : found.shape[1] + 1] = np.where(np.isfinite(distances), found, -1)
            largest = max(largest, farthest)
        encoded = Encoded(vectors[members], near, self, metric, largest or 1.0)
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
    largest : float
        By which first distances are divided.
    """

    def __init__(self, vectors: Vectors, near: Places, settings: KReciprocal, metric: Metric, largest: float) -> None:
        self._vectors, self._metric, self._largest, self._weight = vectors, metric, largest, settings.weight
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
        queries, references = q[:, 0], s[:, 0]
        columns = self._encoding[references].tocsc()
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


def _found(
    vectors: Vectors, queries: Places, references: Places, k: int, *, metric: Metric, groups: Rows
) -> Iterator[tuple[int, Places, NDArray[np.float32], float]]:
    """Some queries at a time: number of the first, their k nearest references and the distances, the largest of all.

    Infinite distances stand beside references that may not be looked at.
    """
    for part in blocks(
        vectors[queries],
        queries,
        vectors[references],
        references,
        metric=metric,
        query_groups=groups[queries],
        reference_groups=groups[references],
    ):
        found, distances = nearest_in(part, k)
        yield part.start, found, distances, float(part.distances.max(initial=0, where=np.isfinite(part.distances)))


def _numbered(groups: Rows | None, n: int) -> Places:
    """(n,): a number for each group, and one of its own for each picture without."""
    numbers: dict[Any, int] = {}
    names = [i if groups is None or groups[i] is None else ("group", groups[i]) for i in range(n)]
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)


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
