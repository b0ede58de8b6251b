"""How well neighbors share the label: R@k, R-precision, MAP@R."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.measures.among import Among
from semelha.measures.blocks import Groups, Labels
from semelha.measures.search import Comparison, search


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
    average_precision, precision : (queries,) float64
        Each query's part of MAP@R and of R-precision; NaN where not used.
    first : (queries,) int64
        Rank, from 0, of the first of its class among what was looked at; a huge number where it is not there.
    """

    r_at: dict[int, float]
    r_precision: float
    map_at_r: float
    used: NDArray[np.bool_]
    nearest: NDArray[np.int64]
    distances: NDArray[np.float32]
    average_precision: NDArray[np.float64]
    precision: NDArray[np.float64]
    first: NDArray[np.int64]


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
    block: int | None = None,
) -> Retrieval:
    """Search each query among the references, or among the other queries where none are given.

    Ranked in float64; ties go to the lower number. Pictures of one group never match. Memory is that of the vectors, of
    what is found, and of some blocks.

    Parameters
    ----------
    queries, references : (n, d), (m, d) float
    query_labels, reference_labels : (n,), (m,)
    metric : Metric or Comparison
    query_groups, reference_groups : (n,), (m,), optional
        None in them belongs to no group.
    ks : sequence of int
    block : int, optional
        Queries at a time; by default what some megabytes hold.

    Raises
    ------
    ValueError
        Vectors and labels differ in number.
    """
    kept = max(ks)
    among = Among.of(queries, query_labels, references, reference_labels, query_groups, reference_groups)
    relevant = among.relevant()  # (queries,) R of each
    deep = min(max(kept, int(relevant.max(initial=1))), len(among.vectors))
    n, width = len(queries), min(kept, deep)
    nearest, distances = np.full((n, kept), -1, np.int64), np.full((n, kept), np.inf, np.float32)
    first = np.full(n, np.iinfo(np.int64).max)  # rank of the first of the class, from 0
    precision, average = np.full(n, np.nan), np.full(n, np.nan)

    def measure(
        rows: NDArray[np.int64], places: NDArray[np.int64], away: NDArray[np.float64], allowed: NDArray[np.bool_]
    ) -> None:
        hits = allowed & among.same(rows, places)  # (queries, deep)
        nearest[rows, :width] = np.where(allowed, places, -1)[:, :width]
        distances[rows, :width] = np.where(allowed, away, np.inf)[:, :width]
        first[rows] = np.where(hits.any(axis=1), hits.argmax(axis=1), first[rows])
        precision[rows], average[rows] = _of_r(hits, relevant[rows])

    search(queries, among, deep, measure, metric=metric, block=block)
    used = relevant > 0
    some = bool(used.any())
    return Retrieval(
        r_at={k: float(np.mean(first[used] < k)) if some else float("nan") for k in ks},
        r_precision=float(precision[used].mean()) if some else float("nan"),
        map_at_r=float(average[used].mean()) if some else float("nan"),
        used=used,
        nearest=nearest,
        distances=distances,
        average_precision=average,
        precision=precision,
        first=first,
    )


def _of_r(hits: NDArray[np.bool_], relevant: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """R-precision and average precision at R of each query; NaN where R is 0."""
    within = np.arange(hits.shape[1])[None, :] < relevant[:, None]
    counted = hits & within
    precision_at = np.cumsum(counted, axis=1) / np.arange(1, hits.shape[1] + 1)
    number = np.where(relevant > 0, relevant, np.nan)
    return counted.sum(axis=1) / number, (precision_at * counted).sum(axis=1) / number
