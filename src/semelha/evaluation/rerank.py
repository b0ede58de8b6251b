"""Re-ranking: search a second time with queries or distances that the first neighbors have changed.

`QueryExpansion` and `KReciprocal` improve retrieval if there are many pictures of each class, at the cost of a second
search. They use vectors only, never labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.measures.retrieval import Retrieval, retrieval
from semelha.measures.search import NeighborSearch, SearchTask, search_neighbors
from semelha.metrics import Cosine, Metric

Rows = NDArray[np.int64]
Vectors = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class SecondSearch:
    """What to compare in place of the vectors: queries, references, and the search."""

    queries: NDArray[Any]
    references: NDArray[Any]
    metric: NeighborSearch


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
    """Compute `retrieval` with a second search.

    Parameters
    ----------
    rerank : Rerank
    vectors, labels : (n, d), (n,)
    queries, references : (q,), (r,) int64
        Rows of them. A picture never matches itself, nor a picture of its group.
    metric : Metric
    groups : (n,), optional
        None in them is no group.
    ks : sequence of int

    Raises
    ------
    UsageError
        `rerank` does not take the metric.
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

    The query becomes q + Σ ⟨q, xᵢ⟩^α xᵢ over its nearest references xᵢ, all of length 1. The references do not change.

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
        if not isinstance(metric, Cosine):
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
