"""Closed-set identification: R@k, R-precision, MAP@R, ranks of subjects, and the CMC curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semelha.measures.search import (
    Groups,
    Indices,
    Labels,
    NeighborSearch,
    SearchTask,
    SubjectDistances,
    Vectors,
    search_neighbors,
    search_subjects,
)
from semelha.metrics import Metric


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

    Queries are (n, d), references (m, d), and of each there is a label and, optionally, a group: pictures of one group
    never match; None in them is no group. Distances are ranked in float64; of equal distances the lower row comes
    first. `block` queries are compared at a time, by default as many as fit into some megabytes. Raises `ValueError` if
    vectors and labels differ in number, or references have no labels.
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


def subject_ranks(
    queries: Vectors,
    query_labels: Labels,
    references: Vectors | None = None,
    reference_labels: Labels | None = None,
    *,
    metric: Metric,
    query_groups: Groups = None,
    reference_groups: Groups = None,
) -> Indices:
    """Compute the rank of each query's own subject, with every subject at the distance of its nearest picture.

    Ranks (n,) begin with 1; 0 is for a query without a reference that it may match. Arguments, order of equal
    distances, and errors are those of `retrieval`.
    """
    task = SearchTask.build(queries, query_labels, references, reference_labels, query_groups, reference_groups)
    ranks = np.zeros(len(queries), np.int64)
    names = np.unique(task.reference_labels)
    has_match = task.relevant_counts() > 0

    def visit(found: SubjectDistances) -> None:
        label = task.query_labels[found.rows]
        column = np.searchsorted(names, label).clip(0, len(names) - 1)
        own = np.where(names[column] == label, found.subjects[np.arange(len(label)), column], np.inf)
        nearer = (found.subjects < own[:, None]).sum(axis=1)
        ranks[found.rows] = np.where(has_match[found.rows], 1 + nearer, 0)
        tied = np.isfinite(own) & ((found.subjects == own[:, None]).sum(axis=1) > 1)
        for row in np.flatnonzero(tied):
            equal = task.reference_labels[np.flatnonzero(found.references[row] == own[row])]
            before = equal[: np.argmax(equal == label[row])]
            ranks[found.rows[row]] += len(np.setdiff1d(before, names[found.subjects[row] < own[row]]))

    search_subjects(queries, task, visit, metric=metric)
    return ranks


def cmc(ranks: Indices, max_rank: int) -> NDArray[np.float64]:
    """Compute the cumulative match characteristic: the identification rate at each rank (ISO/IEC 19795-1).

    From the ranks of `subject_ranks`, without those of 0, it is the fraction of probes whose subject has rank k or
    better, for k from 1: (max_rank,) float64; NaN without probes.
    """
    counted = ranks[ranks > 0]
    if not len(counted):
        return np.full(max_rank, np.nan)
    counts: Indices = np.bincount(np.minimum(counted, max_rank + 1), minlength=max_rank + 2)[1 : max_rank + 1]
    return np.cumsum(counts) / len(counted)
