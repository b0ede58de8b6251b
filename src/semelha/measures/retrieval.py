"""Retrieval measures: R@k, R-precision and MAP@R."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semelha.measures.search import Groups, Indices, Labels, NeighborSearch, SearchTask, Vectors, search_neighbors


@dataclass(frozen=True, eq=False)
class Retrieval:
    """The result of `retrieval`.

    Attributes
    ----------
    r_at : dict of int to float
        R@k: the fraction of queries with one of their class among the k nearest.
    r_precision : float
        The fraction of a query's R nearest that are of its class, where R is the number of references of the class;
        averaged over queries.
    map_at_r : float
        Mean over queries of (1/R) Σ_{i ≤ R} precision at i if the i-th is of the class (Musgrave et al., ECCV 2020).
    has_match : (queries,) bool
        Whether a query may match a reference of its class. The measures leave out queries that may not.
    nearest : (queries, max(ks)) int64
        Nearest references; −1 if fewer are allowed.
    distances : (queries, max(ks)) float32
        Distances to them; infinite beside −1.
    average_precisions, r_precisions : (queries,) float64
        MAP@R and R-precision of each query; NaN without a match.
    first_ranks : (queries,) int64
        Rank, from 0, of the nearest reference of the class; a huge number if it is not among the R or max(ks) nearest.
    """

    r_at: dict[int, float]
    r_precision: float
    map_at_r: float
    has_match: NDArray[np.bool_]
    nearest: Indices
    distances: NDArray[np.float32]
    average_precisions: NDArray[np.float64]
    r_precisions: NDArray[np.float64]
    first_ranks: Indices


def retrieval(
    queries: Vectors,
    query_labels: Labels,
    references: Vectors | None = None,
    reference_labels: Labels | None = None,
    *,
    metric: NeighborSearch,
    query_groups: Groups = None,
    reference_groups: Groups = None,
    ks: Sequence[int] = (1, 5, 10),
    block: int | None = None,
) -> Retrieval:
    """Search each query among the references, or among the other queries without references.

    Distances are ranked in float64; of equal distances the lower row comes first. Memory is that of the vectors, the
    neighbors, and some blocks of distances.

    Parameters
    ----------
    queries, references : (n, d), (m, d) float
    query_labels, reference_labels : (n,), (m,)
    metric : Metric or NeighborSearch
    query_groups, reference_groups : (n,), (m,), optional
        Pictures of one group never match; None in them is no group.
    ks : sequence of int
    block : int, optional
        Queries at a time; by default as many as fit into some megabytes.

    Raises
    ------
    ValueError
        Vectors and labels differ in number, or there are references without labels.
    """
    task = SearchTask.build(queries, query_labels, references, reference_labels, query_groups, reference_groups)
    relevant = task.relevant_counts()  # (queries,) R of each
    kept = max(ks)
    k = min(max(kept, int(relevant.max(initial=1))), len(task.references))
    n, width = len(queries), min(kept, k)
    nearest, distances = np.full((n, kept), -1, np.int64), np.full((n, kept), np.inf, np.float32)
    first_ranks = np.full(n, np.iinfo(np.int64).max)
    r_precisions, average_precisions = np.full(n, np.nan), np.full(n, np.nan)

    def visit(rows: Indices, positions: Indices, found: NDArray[np.float64], allowed: NDArray[np.bool_]) -> None:
        hits = allowed & task.is_same_class(rows, positions)  # (queries, k)
        nearest[rows, :width] = np.where(allowed, positions, -1)[:, :width]
        distances[rows, :width] = np.where(allowed, found, np.inf)[:, :width]
        first_ranks[rows] = np.where(hits.any(axis=1), hits.argmax(axis=1), first_ranks[rows])
        r_precisions[rows], average_precisions[rows] = _precisions(hits, relevant[rows])

    search_neighbors(queries, task, k, visit, metric=metric, block=block)
    has_match = relevant > 0
    measured = bool(has_match.any())
    return Retrieval(
        r_at={k: float(np.mean(first_ranks[has_match] < k)) if measured else float("nan") for k in ks},
        r_precision=float(r_precisions[has_match].mean()) if measured else float("nan"),
        map_at_r=float(average_precisions[has_match].mean()) if measured else float("nan"),
        has_match=has_match,
        nearest=nearest,
        distances=distances,
        average_precisions=average_precisions,
        r_precisions=r_precisions,
        first_ranks=first_ranks,
    )


def _precisions(hits: NDArray[np.bool_], relevant: Indices) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """R-precision and average precision at R of each query; NaN if R is 0."""
    within = np.arange(hits.shape[1])[None, :] < relevant[:, None]
    counted = hits & within
    precision_at = np.cumsum(counted, axis=1) / np.arange(1, hits.shape[1] + 1)
    divisor = np.where(relevant > 0, relevant, np.nan)
    return counted.sum(axis=1) / divisor, (precision_at * counted).sum(axis=1) / divisor
