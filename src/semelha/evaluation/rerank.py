"""A second look at what was found: the query is moved, or the ranking, by the neighbors that it found.

Both are for retrieval among many pictures of each class, and cost a second search. They look at vectors alone, and at
no label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.measures.among import Among
from semelha.measures.retrieval import Retrieval, retrieval
from semelha.measures.search import Comparison, search
from semelha.metrics import Cosine, Metric

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
        found, distances = neighbors(vectors, queries, references, self.neighbors, metric=metric, groups=groups)
        there = np.isfinite(distances)  # (queries, neighbors)
        weights = np.where(there, np.maximum(1 - np.where(there, distances, 1), 0) ** self.alpha, 0).astype(unit.dtype)
        moved = unit[queries].copy()
        for place, weight in zip(found.T, weights.T, strict=True):
            moved += weight[:, None] * unit[references[place]]
        return SecondSearch(moved, unit[references], metric)


def neighbors(
    vectors: Vectors, queries: Places, references: Places, k: int, *, metric: Metric, groups: Rows
) -> tuple[Places, NDArray[np.float64]]:
    """The nearest references of each query, k or all there are, and the distances: (queries, k) each.

    −1 and infinity stand where it may not look at so many.
    """
    among = Among.of(vectors[queries], queries, vectors[references], references, groups[queries], groups[references])
    k = min(k, len(references))
    found, distances = np.full((len(queries), k), -1), np.full((len(queries), k), np.inf)

    def look(rows: Places, places: Places, away: NDArray[np.float64], allowed: NDArray[np.bool_]) -> None:
        found[rows], distances[rows] = np.where(allowed, places, -1), np.where(allowed, away, np.inf)

    search(vectors[queries], among, k, look, metric=metric)
    return found, distances


def _numbered(groups: Rows | None, n: int) -> Places:
    """(n,): a number for each group, and one of its own for each picture without."""
    numbers: dict[Any, int] = {}
    names = [i if groups is None or groups[i] is None else ("group", groups[i]) for i in range(n)]
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
