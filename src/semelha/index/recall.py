"""Approximate search: its depth, and the choice of the depth that keeps a recall.

The recall is measured on vectors that the structure does not contain.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from math import ceil, sqrt
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from semelha.index.checks import number, whole_number
from semelha.index.exact import Flat
from semelha.index.ranking import K, rerank_approximately
from semelha.index.rows import DeletedMask, Found, Rows
from semelha.index.space import Queries
from semelha.index.transform import SearchTransform

MAX_HELD_OUT = 1000  # vectors with which a recall is measured before they are added
MIN_ROWS_PER_HELD_OUT = 10  # at most one row in ten is held out
STANDARD_ERRORS = 1.64  # standard errors between the measured and the requested recall: it is kept with probability .95
TIE_TOLERANCE = 1e-6  # relative difference of equal distances after rounding
BLOCK = 256


@dataclass(frozen=True)
class MeasuredRecall:
    """Recall@10 at a search depth, on queries that the structure does not contain.

    `depth` is `efSearch` of a graph or `nprobe` of cells, `recall` is the mean over the queries, `error` the standard
    error of that mean.
    """

    depth: int
    recall: float
    error: float
    queries: int

    def keeps(self, recall: float) -> bool:
        """Whether the true recall is at least this, with probability .95."""
        return self.recall - STANDARD_ERRORS * self.error >= recall

    def may_keep(self, recall: float) -> bool:
        """Whether the true recall may be at least this, within the error of the measurement."""
        return self.recall + STANDARD_ERRORS * self.error >= recall

    def header(self) -> dict[str, Any]:
        """The attributes, for JSON."""
        return asdict(self)

    @classmethod
    def restore(cls, header: Mapping[str, Any], deepest: int) -> Self:
        """Read a saved header. Raises `ValueError` or `KeyError` if it is invalid."""
        depth, queries = whole_number(header, "depth", 1, deepest), whole_number(header, "queries")
        return cls(depth, number(header, "recall", 0, 1), number(header, "error", 0, 1), queries)


class Approximate(ABC):
    """An index of FAISS whose search finds more the deeper it goes; candidates are re-ranked by the exact vectors.

    `quantize` is how FAISS stores the transformed rows.
    """

    def __init__(self, index: faiss.Index, quantize: str, transform: SearchTransform, depth: MeasuredRecall) -> None:
        self.index = index
        self.quantize = quantize
        self.transform = transform
        self.depth = depth
        self._cached_parameters: dict[int, Any] = {}

    def nearest(self, rows: Rows, queries: Queries, k: int, deleted: DeletedMask | None = None) -> Found:
        def candidates(some: Queries, n_candidates: int, times: float, selector: Any) -> NDArray[np.int64]:
            depth = min(ceil(times * self.depth.depth), self._full_depth())
            if selector is not None:
                parameters = self._parameters(depth, sel=selector)
            else:
                if depth not in self._cached_parameters:
                    self._cached_parameters[depth] = self._parameters(depth)
                parameters = self._cached_parameters[depth]
            return walk(self.index, self.transform.queries(some), n_candidates, parameters)

        return rerank_approximately(rows, queries, k, deleted, candidates, n_candidates=self._n_candidates(k))

    def at(self, depth: MeasuredRecall) -> Self:
        """The same structure, searched to another depth."""
        other = copy(self)
        other.depth = depth
        return other

    @property
    @abstractmethod
    def deepest(self) -> int:
        """The largest depth that a saved structure may have."""

    @abstractmethod
    def depths(self) -> list[int]:
        """Ascending depths to try."""

    @abstractmethod
    def _full_depth(self) -> int:
        """The depth of a search that misses nothing."""

    @abstractmethod
    def _parameters(self, depth: int, **selector: Any) -> faiss.SearchParameters:
        """Search parameters of FAISS."""

    @abstractmethod
    def _n_candidates(self, k: int) -> int:
        """Number of candidates to re-rank for k neighbors."""


def walk(index: faiss.Index, queries: NDArray[np.float32], k: int, parameters: Any) -> NDArray[np.int64]:
    """Search with FAISS for the rows of the k nearest: (q, m) → (q, k), −1 for none."""
    queries = np.ascontiguousarray(queries, np.float32)
    if queries.shape[1] != index.d:
        raise ValueError(f"the queries have {queries.shape[1]} numbers, the index {index.d}")
    products = np.empty((len(queries), k), np.float32)
    rows = np.empty((len(queries), k), np.int64)
    out = faiss.swig_ptr(products), faiss.swig_ptr(rows)
    index.search_c(len(queries), faiss.swig_ptr(queries), k, *out, parameters)
    return rows


def hold_out(rows: Rows, seed: int) -> tuple[Rows, int]:
    """Move a random sample of the rows to the end. Returns the rows and the number of those before the sample."""
    n = min(MAX_HELD_OUT, len(rows) // MIN_ROWS_PER_HELD_OUT)
    drawn = np.zeros(len(rows), bool)
    drawn[np.random.default_rng(seed).choice(len(rows), n, replace=False)] = True
    return rows.take(np.concatenate([np.flatnonzero(~drawn), np.flatnonzero(drawn)])), len(rows) - n


def found_distances(queries: Queries, nearest: Callable[[Queries], Found]) -> NDArray[np.float64]:
    """Distances of the neighbors that a search finds, block by block: (q, k)."""
    starts = range(0, len(queries), BLOCK)
    return np.concatenate([nearest(queries.part(slice(start, start + BLOCK)))[1] for start in starts])


def recall_of(found: NDArray[np.float64], true: NDArray[np.float64], depth: int) -> MeasuredRecall:
    """Recall from the distances of the found and of the true neighbors, each (q, k).

    A neighbor counts as found if it is no farther than the k-th true one: among ties any will do.
    """
    slack = TIE_TOLERANCE * np.abs(true[:, -1:]) + np.finfo(np.float64).tiny
    right = (found <= true[:, -1:] + slack).mean(axis=1)
    return MeasuredRecall(depth, float(right.mean()), float(right.std()) / sqrt(len(right)), len(right))


def measure_recall(
    structure: Approximate,
    rows: Rows,
    queries: Queries,
    true: NDArray[np.float64],
    depth: int,
    deleted: DeletedMask | None = None,
) -> MeasuredRecall:
    """Recall of a structure over `rows` at a depth, from the distances of the true neighbors (q, k)."""
    deep = structure.at(MeasuredRecall(depth, 0.0, 0.0, 0))
    found = found_distances(queries, lambda some: deep.nearest(rows, some, true.shape[1], deleted))
    return recall_of(found, true, depth)


def tune_depth(
    structure: Approximate,
    rows: Rows,
    queries: Queries,
    true: NDArray[np.float64],
    recall: float,
    deleted: DeletedMask | None = None,
) -> MeasuredRecall:
    """The smallest depth that keeps the recall on the queries, or else the largest."""

    def measured(depth: int) -> MeasuredRecall:
        return measure_recall(structure, rows, queries, true, depth, deleted)

    return smallest_depth(measured, structure.depths(), recall)


def tune_on_held_out(structure: Approximate, rows: Rows, head: int, recall: float) -> MeasuredRecall:
    """Tune a structure over the first `head` rows, with the other rows as queries."""
    known, unseen = rows.take(slice(head)), rows.space.queries(rows.vectors[head:])
    exact = Flat(known)
    true = found_distances(unseen, lambda some: exact.nearest(known, some, K))
    return tune_depth(structure, known, unseen, true, recall)


def smallest_depth(measured: Callable[[int], MeasuredRecall], depths: Sequence[int], recall: float) -> MeasuredRecall:
    """The smallest of the ascending depths that keeps the recall, by bisection; the largest if none does."""
    best = measured(depths[-1])
    if not best.keeps(recall):
        return best
    low, high = 0, len(depths) - 1
    while low < high:
        middle = (low + high) // 2
        tried = measured(depths[middle])
        if tried.keeps(recall):
            best, high = tried, middle
        else:
            low = middle + 1
    return best


def depth_ladder(least: int, most: int) -> list[int]:
    """Depths from `least` to `most`, each an eighth more than the one before."""
    steps = [least]
    while steps[-1] < most:
        steps.append(min(most, steps[-1] + max(1, steps[-1] // 8)))
    return steps
