"""The k nearest of each row among all rows, exactly: a product that is made counts for both of its rows.

As in `search`, products in float32 leave few pairs over, and these are ranked in float64. What is left over of all rows
is held at once, so that it is for few neighbors, and for rows of which few are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.metrics.base import Nearest
from semelha.metrics.mapped import MappedMetric
from semelha.metrics.namespace import inner
from semelha.metrics.search import ROOM, kth_largest, ranked

WIDE = 512  # rows and columns of a tile of products: what stays in a core's cache
FEWEST = 8 * WIDE  # rows that are worth it
MOST = 200_000  # of more rows too much would be held
LEFT = 100  # pairs of a row that its first limit leaves over, about
DEEPEST = LEFT // 4  # neighbors that are worth it: of more, a first limit would cost what is saved
CROWD = 4  # times `LEFT`: more is not held

Over = Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]]
"""`map`, or that of a pool of threads."""

Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
"""Rows, columns, and their products: (p,) each."""


def pays(metric: object, n: int, k: int) -> bool:
    """Whether `neighbors` is for this metric, so many rows, and so many neighbors."""
    return isinstance(metric, MappedMetric) and metric.one_map and FEWEST <= n <= MOST and k <= DEEPEST


def neighbors(metric: MappedMetric, x: NDArray[Any], k: int, *, over: Over = map) -> Nearest | None:
    """What `metric.nearest(x, x, k)` is, with half of its products; None where too many rows are alike.

    Parameters
    ----------
    metric : MappedMetric
        With one map.
    x : (n, d)
    k : int
        From 1 to n.
    over : callable
        `map`, or that of a pool of threads.

    Raises
    ------
    UsageError
        A row that the metric cannot take.
    """
    x = metric.ready(x, x)[0].astype(np.float64, copy=False)
    products = _Products(metric, x, k)
    blocks = range(len(products.left))
    try:
        for step in (products.limit, products.meet):
            list(over(step, blocks))
    except _Crowded:
        return None
    parts = [Nearest(*part) for part in over(products.rank, blocks)]
    return Nearest(*(np.concatenate(part) for part in zip(*parts, strict=True)))


class _Crowded(Exception):
    """More pairs are left over than are held."""


class _Products:
    """The products of rows, block by block: first `limit` of all blocks, then `meet` of all, then `rank`."""

    def __init__(self, metric: MappedMetric, x: NDArray[np.float64], k: int) -> None:
        self.metric, self.x, self.k = metric, x, k
        a, b = _symmetric(metric.stored_map(x), metric.product)
        self.rows, self.columns = a.astype(np.float32), np.ascontiguousarray(b.astype(np.float32).T)
        longest = float(np.sqrt(inner(a, a).max() * inner(b, b).max()))
        # Twice what a product may be wrong by, as in `search`, and what is lost when it is taken from a limit.
        self.slack = np.float32(2.4 * longest * (a.shape[1] + 8) * np.finfo(np.float32).eps / 2)
        some = np.random.default_rng(0).choice(len(x), max(k, k * len(x) // LEFT), replace=False)
        self.sample = np.ascontiguousarray(self.columns[:, some])
        self.least = np.empty(len(x), np.float32)
        self.left: list[list[Pairs]] = [[] for _ in range(0, len(x), WIDE)]
        self.held = [0] * len(self.left)

    def block(self, number: int) -> slice:
        return slice(number * WIDE, min((number + 1) * WIDE, len(self.x)))

    def limit(self, number: int) -> None:
        """What a product must reach for its pair to be left over: what those with a sample say of each row."""
        rows = self.block(number)
        high = max(1, min(WIDE, ROOM // self.sample.shape[1]))
        for start in range(rows.start, rows.stop, high):
            some = slice(start, min(start + high, rows.stop))
            self.least[some] = kth_largest(np, self.rows[some] @ self.sample, self.k) - self.slack

    def meet(self, number: int) -> None:
        """The products of a block with itself and all that come after it: what they leave over of either side."""
        rows = self.block(number)
        for other in range(number, len(self.left)):
            columns = self.block(other)
            products = self.rows[rows] @ self.columns[:, columns]
            near = products >= self.least[rows, None]
            if other != number:
                near |= products >= self.least[columns]
            places = np.flatnonzero(near)
            values = products.reshape(-1)[places]
            i, j = places // products.shape[1] + rows.start, places % products.shape[1] + columns.start
            self._leave(number, number, i, j, values)
            if other != number:
                self._leave(number, other, j, i, values)

    def _leave(self, worker: int, block: int, i: NDArray[np.int64], j: NDArray[np.int64], values: Any) -> None:
        enough = values >= self.least[i]
        self.left[block].append((i[enough], j[enough], values[enough]))
        self.held[worker] += int(enough.sum())
        if sum(self.held) > CROWD * LEFT * len(self.x):
            raise _Crowded

    def rank(self, number: int) -> tuple[Any, Any]:
        """The k nearest of a block, of what was left over of it."""
        rows = self.block(number)
        i, j, values = (np.concatenate(part) for part in zip(*self.left[number], strict=True))
        self.left[number] = []
        order = np.argsort(i * len(self.x) + j)
        i, j, values = i[order] - rows.start, j[order], values[order]
        enough = values >= (self._kth(i, values, rows.stop - rows.start) - self.slack)[i]
        return ranked(np, i[enough], j[enough], self.x[rows], self.x, self.k, self.metric.each)

    def _kth(self, i: NDArray[np.int64], values: NDArray[np.float32], n: int) -> NDArray[np.float32]:
        """The k-th largest of the values of each row, which come row by row: (n,)."""
        number = np.bincount(i, minlength=n)
        lines = np.full((n, number.max()), -np.inf, np.float32)
        lines[i, np.arange(len(i)) - (np.cumsum(number) - number)[i]] = values
        place = lines.shape[1] - self.k
        return np.partition(lines, place, axis=1)[:, place]


def _symmetric(y: NDArray[np.float64], product: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two arrays whose inner product is larger for the nearer, and the same for a pair either way round.

    −‖yᵢ − yⱼ‖² / 2 is ⟨yᵢ, yⱼ⟩ − ‖yᵢ‖² / 2 − ‖yⱼ‖² / 2: two more coordinates, 1 on one side each.
    """
    tiny = np.finfo(np.float64).smallest_normal
    if product == "l2sq":
        y = y - y.mean(axis=0)
    y = y / max(np.sqrt(inner(y, y).max()), tiny)
    if product == "ip":
        return y, y
    half, one = -inner(y, y)[:, None] / 2, np.ones((len(y), 1))
    return np.concatenate([y, one, half], axis=1), np.concatenate([y, half, one], axis=1)
