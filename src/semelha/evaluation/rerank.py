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

from semelha.errors import UsageError
from semelha.evaluation.measures.blocks import Comparison, blocks
from semelha.evaluation.measures.retrieval import Retrieval, nearest_in, retrieval
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
        moved = unit[queries].copy()
        for start, found, distances, _ in neighbors(
            vectors, queries, references, self.neighbors, metric=metric, groups=groups
        ):
            similarities = np.where(np.isfinite(distances), np.maximum(1 - distances, 0), 0)  # (block, neighbors)
            weights = np.where(np.isfinite(distances), similarities**self.alpha, 0).astype(moved.dtype)
            moved[start : start + len(found)] += np.einsum("qn,qnd->qd", weights, unit[references[found]])
        return SecondSearch(moved, unit[references], metric)


def neighbors(
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
