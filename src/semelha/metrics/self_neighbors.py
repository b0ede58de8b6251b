"""The k nearest neighbors of each row among all rows, exactly: each matrix product serves both of its rows.

As in `nearest`, products in float32 select candidates, which are ranked in float64. The candidates of all rows are in
memory at once. So this is for few neighbors, and for rows few of which are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.metrics.array_math import vecdot
from semelha.metrics.base import Nearest
from semelha.metrics.mapped import MappedMetric
from semelha.metrics.nearest import MAX_PRODUCTS, as_inner_products, kth_largest, rank_candidates

TILE = 512  # rows and columns of a tile of products that fits in a core's cache
MIN_ROWS = 8 * TILE
MAX_ROWS = 200_000  # above, the candidates would need too much memory
CANDIDATES = 100  # of a row that its first limit leaves, about
MAX_NEIGHBORS = CANDIDATES // 4  # above, a first limit would cost what is saved
MAX_CANDIDATES = 4 * CANDIDATES  # of a row, on average

MapFunction = Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]]
"""`map`, or the `map` of a thread pool."""

Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
"""Rows, columns and their products: (p,) each."""


def is_worthwhile(metric: object, n: int, k: int) -> bool:
    """Whether `self_neighbors` takes this metric and is faster than `metric.nearest` for n rows and k neighbors."""
    return (
        isinstance(metric, MappedMetric) and metric.maps_are_equal and MIN_ROWS <= n <= MAX_ROWS and k <= MAX_NEIGHBORS
    )


def self_neighbors(metric: MappedMetric, x: NDArray[Any], k: int, *, map_function: MapFunction = map) -> Nearest | None:
    """Compute `metric.nearest(x, x, k)` with half of its products, (n, d) → (n, k); None if too many rows are alike.

    The maps of the metric must be equal. `map_function` is `map`, or the `map` of a thread pool. Raises `UsageError`
    for a row that the metric cannot take.
    """
    x = metric.as_checked_rows(x, x)[0].astype(np.float64, copy=False)
    search = _SelfSearch(metric, x, k)
    blocks = range(len(search.candidates))
    try:
        for step in (search.set_limits, search.select_candidates):
            list(map_function(step, blocks))
    except _TooManyCandidates:
        return None
    parts = [Nearest(*part) for part in map_function(search.rank, blocks)]
    return Nearest(*(np.concatenate(part) for part in zip(*parts, strict=True)))


class _TooManyCandidates(Exception):
    """The candidates would need too much memory."""


class _SelfSearch:
    """A search block by block: `set_limits` of all blocks, then `select_candidates` of all, then `rank`."""

    def __init__(self, metric: MappedMetric, x: NDArray[np.float64], k: int) -> None:
        mapped = metric.stored_map(x)
        self.k = k
        self.x: NDArray[np.float64] = mapped if metric.maps_are_costly else x
        self.between = metric.between_mapped if metric.maps_are_costly else metric.between_unchecked
        a, b = as_inner_products(mapped, mapped, metric.product, symmetric=True)
        self.rows, self.columns = a.astype(np.float32), np.ascontiguousarray(b.astype(np.float32).T)
        longest = float(np.sqrt(vecdot(a, a).max() * vecdot(b, b).max()))
        # Twice the rounding error of a product, as in `nearest`, and that of the limit from which it is subtracted.
        self.slack = np.float32(2.4 * longest * (a.shape[1] + 8) * np.finfo(np.float32).eps / 2)
        some = np.random.default_rng(0).choice(len(x), max(k, k * len(x) // CANDIDATES), replace=False)
        self.sample = np.ascontiguousarray(self.columns[:, some])
        self.least = np.empty(len(x), np.float32)  # product of a candidate of each row
        self.candidates: list[list[Pairs]] = [[] for _ in range(0, len(x), TILE)]
        self.counts = [0] * len(self.candidates)  # candidates that each block has found: blocks may run in threads

    def block(self, number: int) -> slice:
        return slice(number * TILE, min((number + 1) * TILE, len(self.x)))

    def set_limits(self, number: int) -> None:
        """Compute the least product of a candidate of each row of a block, from the products with a sample."""
        rows = self.block(number)
        step = max(1, min(TILE, MAX_PRODUCTS // self.sample.shape[1]))
        for start in range(rows.start, rows.stop, step):
            some = slice(start, min(start + step, rows.stop))
            self.least[some] = kth_largest(np, self.rows[some] @ self.sample, self.k) - self.slack

    def select_candidates(self, number: int) -> None:
        """Select the candidates of either side from the products of a block with itself and all later blocks."""
        rows = self.block(number)
        for other in range(number, len(self.candidates)):
            columns = self.block(other)
            products = self.rows[rows] @ self.columns[:, columns]
            near = products >= self.least[rows, None]
            if other != number:
                near |= products >= self.least[columns]
            places = np.flatnonzero(near)
            values = products.reshape(-1)[places]
            i, j = places // products.shape[1] + rows.start, places % products.shape[1] + columns.start
            self._add(number, number, i, j, values)
            if other != number:
                self._add(number, other, j, i, values)

    def _add(self, worker: int, block: int, i: NDArray[np.int64], j: NDArray[np.int64], values: Any) -> None:
        enough = values >= self.least[i]
        self.candidates[block].append((i[enough], j[enough], values[enough]))
        self.counts[worker] += int(enough.sum())
        if sum(self.counts) > MAX_CANDIDATES * len(self.x):
            raise _TooManyCandidates

    def rank(self, number: int) -> tuple[Any, Any]:
        """Rank the candidates of a block: positions and distances, each (rows, k)."""
        rows = self.block(number)
        i, j, values = (np.concatenate(part) for part in zip(*self.candidates[number], strict=True))
        self.candidates[number] = []
        order = np.argsort(i * len(self.x) + j)
        i, j, values = i[order] - rows.start, j[order], values[order]
        enough = values >= (self._kth_of_rows(i, values, rows.stop - rows.start) - self.slack)[i]
        return rank_candidates(np, i[enough], j[enough], self.x[rows], self.x, self.k, self.between)

    def _kth_of_rows(self, i: NDArray[np.int64], values: NDArray[np.float32], n: int) -> NDArray[np.float32]:
        """The k-th largest of the values of each row, which are sorted by row: (n,)."""
        number = np.bincount(i, minlength=n)
        table = np.full((n, number.max()), -np.inf, np.float32)
        table[i, np.arange(len(i)) - (np.cumsum(number) - number)[i]] = values
        place = table.shape[1] - self.k
        return np.partition(table, place, axis=1)[:, place]
