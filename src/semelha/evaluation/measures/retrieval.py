"""How well neighbors share the label: R@k, R-precision, MAP@R."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.evaluation.measures.blocks import Block, Comparison, Groups, Labels, blocks


@dataclass(frozen=True, eq=False)
class Retrieval:
    """What `retrieval` found.

    Attributes
    ----------
    r_at : dict of int to float
        R@k: part of the queries with one of their class among the k nearest.
    r_precision : float
        With R pictures of its class among the references: part of the R nearest that are of the class, averaged.
    map_at_r : float
        Mean over queries of (1/R) Σ_{i ≤ R} precision at i where the i-th is of the class (Musgrave et al., ECCV 2020).
    used : (queries,) bool
        False for queries that no reference could match; they count nowhere.
    nearest : (queries, kept) int64
        Nearest references, −1 where fewer are allowed; kept is the largest k.
    distances : (queries, kept) float32
        To these, infinite beside −1.
    average_precision : (queries,) float64
        Each query's part of MAP@R; NaN where not used.
    """

    r_at: dict[int, float]
    r_precision: float
    map_at_r: float
    used: NDArray[np.bool_]
    nearest: NDArray[np.int64]
    distances: NDArray[np.float32]
    average_precision: NDArray[np.float64]


def retrieval(
    queries: NDArray[np.floating[Any]],
    query_labels: Labels,
    references: NDArray[np.floating[Any]] | None = None,
    reference_labels: Labels | None = None,
    *,
    metric: Comparison,
    query_groups: Groups = None,
    reference_groups: Groups = None,
    ks: Sequence[int] = (1, 5, 10),
    block: int = 1024,
) -> Retrieval:
    """Search each query among the references, or among the other queries where none are given.

    Ties go to the lower number. Pictures of one group never match. Memory is O(block · references).

    Parameters
    ----------
    queries, references : (n, d), (m, d) float
    query_labels, reference_labels : (n,), (m,)
    metric : Metric or Comparison
    query_groups, reference_groups : (n,), (m,), optional
        None in them belongs to no group.
    ks : sequence of int
    block : int
        Queries at a time.

    Raises
    ------
    ValueError
        Vectors and labels differ in number.
    """
    kept = max(ks)
    n = len(queries)
    nearest, distances = np.full((n, kept), -1, np.int64), np.full((n, kept), np.inf, np.float32)
    first = np.full(n, np.iinfo(np.int64).max)  # rank of the first of the class, from 0
    precision, average = np.full(n, np.nan), np.full(n, np.nan)
    for part in blocks(
        queries,
        query_labels,
        references,
        reference_labels,
        metric=metric,
        query_groups=query_groups,
        reference_groups=reference_groups,
        size=block,
    ):
        rows = slice(part.start, part.start + len(part.distances))
        relevant = part.same.sum(axis=1)  # (queries,) R of each
        order, ordered = nearest_in(part, max(kept, int(relevant.max(initial=1))))
        hits = np.take_along_axis(part.same, order, axis=1)  # (queries, deep)
        width = min(kept, order.shape[1])
        nearest[rows, :width] = np.where(np.isfinite(ordered), order, -1)[:, :width]
        distances[rows, :width] = ordered[:, :width]
        first[rows] = np.where(hits.any(axis=1), hits.argmax(axis=1), first[rows])
        precision[rows], average[rows] = _of_r(hits, relevant)
    used = ~np.isnan(precision)
    some = bool(used.any())
    return Retrieval(
        r_at={k: float(np.mean(first[used] < k)) if some else float("nan") for k in ks},
        r_precision=float(precision[used].mean()) if some else float("nan"),
        map_at_r=float(average[used].mean()) if some else float("nan"),
        used=used,
        nearest=nearest,
        distances=distances,
        average_precision=average,
    )


def nearest_in(part: Block, deep: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The `deep` nearest references of each query and their distances, infinite for those not allowed."""
    values = np.where(part.allowed, part.distances, np.float32(np.inf))
    deep = min(deep, values.shape[1])
    if deep < values.shape[1]:
        chosen = np.sort(np.argpartition(values, deep - 1, axis=1)[:, :deep], axis=1)
    else:
        chosen = np.broadcast_to(np.arange(deep), values.shape)
    picked = np.take_along_axis(values, chosen, axis=1)
    order = np.argsort(picked, axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1), np.take_along_axis(picked, order, axis=1)


def _of_r(hits: NDArray[np.bool_], relevant: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """R-precision and average precision at R of each query; NaN where R is 0."""
    within = np.arange(hits.shape[1])[None, :] < relevant[:, None]
    counted = hits & within
    precision_at = np.cumsum(counted, axis=1) / np.arange(1, hits.shape[1] + 1)
    number = np.where(relevant > 0, relevant, np.nan)
    return counted.sum(axis=1) / number, (precision_at * counted).sum(axis=1) / number
