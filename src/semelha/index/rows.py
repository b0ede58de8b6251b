"""Stored vectors with their ids, and the two exact things that can be done with them: rank candidates, scan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.index.space import Queries, Space

PAIRS = 1 << 18  # numbers of a block of pairs that are ranked: what stays in a core's cache
BLOCK = 1 << 23  # numbers of a block of rows that are scanned, in float64
LAST = np.iinfo(np.int64).max  # an id behind all others, for a neighbor that is none

Found = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Ids and distances, (queries, k): nearest first, ties by id; −1 and infinity where there are fewer."""


@dataclass(frozen=True, eq=False)
class Hidden:
    """Rows that a search must not find: removed, or outside of what is asked for.

    Attributes
    ----------
    mask : (n,) bool
    """

    mask: NDArray[np.bool_]

    @cached_property
    def count(self) -> int:
        return int(np.count_nonzero(self.mask))

    @cached_property
    def shown(self) -> NDArray[np.uint8]:
        """One bit a row, as FAISS takes them: 1 where it may be found."""
        return np.packbits(~self.mask, bitorder="little")

    def also(self, rows: NDArray[np.int64]) -> Hidden:
        """These too."""
        mask = self.mask.copy()
        mask[rows] = True
        return Hidden(mask)


@dataclass(frozen=True, eq=False)
class Rows:
    """Vectors and their ids, in any order.

    Attributes
    ----------
    space : Space
    ids : (n,) int64
    vectors : (n, d) float32
    """

    space: Space
    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def order(self) -> NDArray[np.int64] | None:
        """The rows in the order of ids; None where they are in it."""
        return None if (self.ids[1:] > self.ids[:-1]).all() else np.argsort(self.ids, kind="stable")

    def locate(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each id, −1 where there is none."""
        if not len(self):
            return np.full(len(ids), -1, np.int64)
        places = np.searchsorted(self.ids, ids, sorter=self.order)
        places = np.minimum(places, len(self) - 1)
        rows = places if self.order is None else self.order[places]
        return np.where(self.ids[rows] == ids, rows, -1)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Rows:
        """Some of them, in that order; views of these for a slice."""
        return Rows(self.space, self.ids[rows], self.vectors[rows])

    def joined(self, others: Rows) -> Rows:
        """These and others."""
        return Rows(
            self.space,
            np.concatenate([self.ids, others.ids]),
            np.concatenate([self.vectors, others.vectors]),
        )

    def sorted(self) -> Rows:
        """The same in the order of ids."""
        return self if self.order is None else self.take(self.order)

    def ranked(self, queries: Queries, rows: NDArray[np.int64], k: int) -> Found:
        """The k nearest of each query's candidates, (q, c) rows or −1 for none, by `between` in float64."""
        step = max(1, PAIRS // max(1, rows.shape[1] * self.vectors.shape[1]))
        if len(rows) <= step:
            return self._ranked(queries, rows, k)
        ids = np.empty((len(rows), min(k, rows.shape[1])), np.int64)
        distances = np.empty(ids.shape)
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            ids[part], distances[part] = self._ranked(queries.part(part), rows[part], k)
        return ids, distances

    def _ranked(self, queries: Queries, rows: NDArray[np.int64], k: int) -> Found:
        # `take` lets go of the interpreter, so that other threads go on; indexing does not.
        stored = self.vectors.take(rows.ravel(), axis=0).astype(np.float64)
        distances = queries.each(rows.shape[1], stored)
        ids = self.ids.take(rows)
        if rows.min(initial=0) < 0:
            none = rows < 0
            distances[none], ids[none] = np.inf, LAST
            return without_last(*nearest(ids, distances, k))
        return nearest(ids, distances, k)

    def narrowed(self, queries: Queries, rows: NDArray[np.int64], keep: int) -> NDArray[np.int64]:
        """About the `keep` nearest of each query's candidates, by distances in float32: (q, c) → (q, keep)."""
        step = max(1, PAIRS // max(1, rows.shape[1] * self.vectors.shape[1]))
        kept = np.empty((len(rows), keep), np.int64)
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            part = slice(start, start + len(some))
            distances = queries.part(part).roughly_each(some.shape[1], self.vectors.take(some.ravel(), axis=0))
            distances[some < 0] = np.inf
            kept[part] = np.take_along_axis(some, np.argpartition(distances, keep - 1, axis=1)[:, :keep], axis=1)
        return kept

    def scanned(self, queries: Queries, k: int, hidden: Hidden | None = None) -> Found:
        """The k nearest by `Metric.nearest` on everything, block by block."""
        parts = []
        step = max(1, BLOCK // max(1, self.vectors.shape[1]))
        for start in range(0, len(self), step):
            chosen = np.arange(start, min(start + step, len(self)))
            if hidden is not None:
                chosen = chosen[~hidden.mask[chosen]]
            if len(chosen):
                chosen = chosen[np.argsort(self.ids[chosen], kind="stable")]
                stored = self.vectors[chosen].astype(np.float64)
                places, distances = self.space.metric.nearest(queries.exact, stored, min(k, len(chosen)))
                parts.append((self.ids[chosen[places]], distances))
        return joined(parts, len(queries), k)


def check_ids(rows: Rows) -> None:
    """Raises `ValueError` where an id is there twice, below 0, or `LAST`."""
    ids = rows.ids if rows.order is None else rows.ids[rows.order]
    if len(ids) and ((ids[1:] == ids[:-1]).any() or ids[0] < 0 or ids[-1] == LAST):
        raise ValueError("an index needs every id once, and none below 0 or above 2**63 - 2")


def check_order(rows: Rows) -> None:
    """Raises `ValueError` where they are not in the order of ids."""
    if rows.order is not None:
        raise ValueError("its rows are not in the order of ids")


def check_numbers(numbers: NDArray[np.floating[Any]]) -> None:
    """Raises `ValueError` for NaN."""
    plain = numbers.reshape(-1)
    if any(np.isnan(plain[start : start + BLOCK]).any() for start in range(0, len(plain), BLOCK)):
        raise ValueError("it holds what is no number")


def nothing(queries: int, k: int) -> Found:
    """No neighbors yet."""
    return np.full((queries, k), -1, np.int64), np.full((queries, k), np.inf)


def nearest(ids: NDArray[np.int64], distances: NDArray[np.float64], k: int) -> Found:
    """The k nearest of what was found, (q, c) in any order."""
    order = np.lexsort((ids, distances), axis=1)[:, :k]
    if len(ids) == 1:
        return ids.take(order[0], axis=1), distances.take(order[0], axis=1)
    lines = np.arange(len(ids))[:, None]
    return ids[lines, order], distances[lines, order]


def without_last(ids: NDArray[np.int64], distances: NDArray[np.float64]) -> Found:
    """−1 for `LAST`."""
    ids[ids == LAST] = -1
    return ids, distances


def joined(parts: list[Found], queries: int, k: int) -> Found:
    """The k nearest of what parts have found, each (queries, up to k); filled up where there are fewer."""
    if len(parts) == 1 and parts[0][0].shape[1] == k:
        return parts[0]
    lacking = max(0, k - sum(ids.shape[1] for ids, _ in parts))
    ids = [np.where(part < 0, LAST, part) for part, _ in parts] + [np.full((queries, lacking), LAST)]
    distances = [part for _, part in parts] + [np.full((queries, lacking), np.inf)]
    return without_last(*nearest(np.concatenate(ids, axis=1), np.concatenate(distances, axis=1), k))
