"""Closed-set identification: the rank of the right subject, and the cumulative match characteristic (CMC)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semelha.measures.search import Groups, Indices, Labels, SearchTask, SubjectDistances, Vectors, search_subjects
from semelha.metrics import Metric


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

    Distances are float64; of equal distances the lower row comes first, as in `retrieval`.

    Parameters
    ----------
    queries, references : (n, d), (m, d) float
        Without references each query is searched among the others.
    query_labels, reference_labels : (n,), (m,)
    metric : Metric
    query_groups, reference_groups : (n,), (m,), optional
        Pictures of one group never match; None in them is no group.

    Returns
    -------
    (n,) int64
        From 1; 0 for a query without a reference that it may match.

    Raises
    ------
    ValueError
        Vectors and labels differ in number, or there are references without labels.
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

    Parameters
    ----------
    ranks : (n,) int64
        From `subject_ranks`; probes of rank 0 are left out.
    max_rank : int

    Returns
    -------
    (max_rank,) float64
        The fraction of probes whose subject has rank k or better, for k from 1; NaN without probes.
    """
    counted = ranks[ranks > 0]
    if not len(counted):
        return np.full(max_rank, np.nan)
    counts: Indices = np.bincount(np.minimum(counted, max_rank + 1), minlength=max_rank + 2)[1 : max_rank + 1]
    return np.cumsum(counts) / len(counted)
