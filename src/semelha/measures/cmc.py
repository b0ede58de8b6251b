"""How far down the list of subjects the right one stands: ranks, and their cumulative distribution (CMC)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.measures.among import Among
from semelha.measures.blocks import Groups, Labels
from semelha.measures.subjects import Near, to_subjects
from semelha.metrics import Metric


def subject_ranks(
    queries: NDArray[np.floating[Any]],
    query_labels: Labels,
    references: NDArray[np.floating[Any]] | None = None,
    reference_labels: Labels | None = None,
    *,
    metric: Metric,
    query_groups: Groups = None,
    reference_groups: Groups = None,
) -> NDArray[np.int64]:
    """The rank of each query's own subject among all subjects, each by its nearest picture.

    Distances are of float64; of equal ones the lower number of a picture comes first, as in `retrieval`.

    Parameters
    ----------
    queries, references : (n, d), (m, d) float
        Without references each query is searched among the others.
    query_labels, reference_labels : (n,), (m,)
    metric : Metric
    query_groups, reference_groups : (n,), (m,), optional
        Pictures of one group never match; None in them belongs to no group.

    Returns
    -------
    (n,) int64
        From 1; 0 for a query that no reference could match.

    Raises
    ------
    ValueError
        Vectors and labels differ in number.
    """
    among = Among.of(queries, query_labels, references, reference_labels, query_groups, reference_groups)
    ranks = np.zeros(len(queries), np.int64)
    names = np.unique(among.labels)
    can = among.relevant() > 0

    def look(near: Near) -> None:
        label = among.label[near.rows]
        column = np.searchsorted(names, label).clip(0, len(names) - 1)
        own = np.where(names[column] == label, near.subjects[np.arange(len(label)), column], np.inf)
        ranks[near.rows] = np.where(can[near.rows], 1 + (near.subjects < own[:, None]).sum(axis=1), 0)
        tied = np.isfinite(own) & ((near.subjects == own[:, None]).sum(axis=1) > 1)
        for row in np.flatnonzero(tied):
            equal = among.labels[np.flatnonzero(near.pictures[row] == own[row])]
            before = equal[: np.argmax(equal == label[row])]
            nearer = names[near.subjects[row] < own[row]]
            ranks[near.rows[row]] += len(np.setdiff1d(before, nearer))

    to_subjects(queries, among, look, metric=metric)
    return ranks


def cmc(ranks: NDArray[np.int64], upto: int) -> NDArray[np.float64]:
    """Cumulative match characteristic (ISO/IEC 19795-1): the part of the probes whose subject has rank k or better.

    Parameters
    ----------
    ranks : (n,) int64
        From `subject_ranks`; probes of rank 0 count nowhere.
    upto : int

    Returns
    -------
    (upto,) float64
        For k from 1; NaN where no probe counts.
    """
    counted = ranks[ranks > 0]
    if not len(counted):
        return np.full(upto, np.nan)
    within: NDArray[np.int64] = np.bincount(np.minimum(counted, upto + 1), minlength=upto + 2)[1 : upto + 1]
    return np.cumsum(within) / len(counted)
