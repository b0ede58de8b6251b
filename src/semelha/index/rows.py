"""Stored vectors with their ids: exact ranking of candidates, exact scan, and merging of search results."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from semelha.index.checks import MISSING_ID
from semelha.index.space import Queries, Space

PAIRS = 1 << 18  # numbers of a block of candidates: what stays in a core's cache
BLOCK = 1 << 23  # numbers of a block of scanned rows, in float64

Found = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Ids and distances, (queries, k): nearest first, ties by id; −1 and infinity for missing neighbors."""


@dataclass(frozen=True, eq=False)
class DeletedMask:
    """Rows that a search must not find, (n,) bool: deleted, or outside of `within`."""

    mask: NDArray[np.bool_]

    @cached_property
    def count(self) -> int:
        return int(np.count_nonzero(self.mask))

    @cached_property
    def bitmap(self) -> NDArray[np.uint8]:
        """One bit a row, as FAISS takes them: 1 if it may be found."""
        return np.packbits(~self.mask, bitorder="little")

    def with_rows(self, rows: NDArray[np.int64]) -> DeletedMask:
        """A mask with these rows added."""
        mask = self.mask.copy()
        mask[rows] = True
        return DeletedMask(mask)


@dataclass(frozen=True, eq=False)
class Rows:
    """Vectors (n, d) and their ids (n,), in any order."""

    space: Space
    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def order(self) -> NDArray[np.int64] | None:
        """Rows in ascending order of ids; None if they are sorted already."""
        return None if (self.ids[1:] > self.ids[:-1]).all() else np.argsort(self.ids, kind="stable")

    @property
    def sorted_ids(self) -> NDArray[np.int64]:
        """Ids in ascending order."""
        return self.ids if self.order is None else self.ids[self.order]

    def locate(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each id, −1 for an id that is not stored."""
        if not len(self):
            return np.full(len(ids), -1, np.int64)
        places = np.searchsorted(self.ids, ids, sorter=self.order)
        places = np.minimum(places, len(self) - 1)
        rows = places if self.order is None else self.order[places]
        return np.where(self.ids[rows] == ids, rows, -1)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Rows:
        """The chosen rows, in that order; as views for a slice."""
        return Rows(self.space, self.ids[rows], self.vectors[rows])

    def joined(self, others: Rows) -> Rows:
        """These rows followed by others."""
        return Rows(
            self.space,
            np.concatenate([self.ids, others.ids]),
            np.concatenate([self.vectors, others.vectors]),
        )

    def sorted(self) -> Rows:
        """The rows in ascending order of ids."""
        return self if self.order is None else self.take(self.order)

    def reranked(self, queries: Queries, rows: NDArray[np.int64], k: int) -> Found:
        """Rank each query's candidates by exact distances in float64: (q, c) rows, −1 for none → (q, k)."""
        step = max(1, PAIRS // max(1, rows.shape[1] * self.vectors.shape[1]))
        if len(rows) <= step:
            return self._reranked(queries, rows, k)
        ids = np.empty((len(rows), min(k, rows.shape[1])), np.int64)
        distances = np.empty(ids.shape)
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            ids[part], distances[part] = self._reranked(queries.part(part), rows[part], k)
        return ids, distances

    def _reranked(self, queries: Queries, rows: NDArray[np.int64], k: int) -> Found:
        # `take` releases the interpreter lock, indexing does not.
        stored = self.vectors.take(rows.ravel(), axis=0).astype(np.float64)
        distances = queries.distances(rows.shape[1], stored)
        ids = self.ids.take(rows)
        if rows.min(initial=0) < 0:
            none = rows < 0
            distances[none], ids[none] = np.inf, MISSING_ID
            return without_missing(*nearest(ids, distances, k))
        return nearest(ids, distances, k)

    def preselected(self, queries: Queries, rows: NDArray[np.int64], keep: int) -> NDArray[np.int64]:
        """Select about the `keep` nearest of each query's candidates by distances in float32: (q, c) → (q, keep)."""
        step = max(1, PAIRS // max(1, rows.shape[1] * self.vectors.shape[1]))
        kept = np.empty((len(rows), keep), np.int64)
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            part = slice(start, start + len(some))
            distances = queries.part(part).distances_float32(some.shape[1], self.vectors.take(some.ravel(), axis=0))
            distances[some < 0] = np.inf
            kept[part] = np.take_along_axis(some, np.argpartition(distances, keep - 1, axis=1)[:, :keep], axis=1)
        return kept

    def scanned(self, queries: Queries, k: int, deleted: DeletedMask | None = None) -> Found:
        """Find the k nearest by `Metric.nearest` on all rows, block by block."""
        parts = []
        step = max(1, BLOCK // max(1, self.vectors.shape[1]))
        for start in range(0, len(self), step):
            chosen = np.arange(start, min(start + step, len(self)))
            if deleted is not None:
                chosen = chosen[~deleted.mask[chosen]]
            if len(chosen):
                chosen = chosen[np.argsort(self.ids[chosen], kind="stable")]
                stored = self.vectors[chosen].astype(np.float64)
                places, distances = self.space.metric.nearest(queries.exact, stored, min(k, len(chosen)))
                parts.append((self.ids[chosen[places]], distances))
        return merge_results(parts, len(queries), k)


def check_order(rows: Rows) -> None:
    """Raise `ValueError` unless the rows are in ascending order of ids."""
    if rows.order is not None:
        raise ValueError("its rows are not in the order of ids")


def no_neighbors(queries: int, k: int) -> Found:
    """Results without neighbors: ids of −1 and infinite distances."""
    return np.full((queries, k), -1, np.int64), np.full((queries, k), np.inf)


def nearest(ids: NDArray[np.int64], distances: NDArray[np.float64], k: int) -> Found:
    """Sort by distance, then id, and keep k: (q, c) → (q, k)."""
    order = np.lexsort((ids, distances), axis=1)[:, :k]
    if len(ids) == 1:
        return ids.take(order[0], axis=1), distances.take(order[0], axis=1)
    lines = np.arange(len(ids))[:, None]
    return ids[lines, order], distances[lines, order]


def without_missing(ids: NDArray[np.int64], distances: NDArray[np.float64]) -> Found:
    """Replace the id `MISSING_ID` by −1."""
    ids[ids == MISSING_ID] = -1
    return ids, distances


def merge_results(parts: list[Found], queries: int, k: int) -> Found:
    """Combine results, each (queries, up to k), into the k nearest; missing neighbors are filled up."""
    if len(parts) == 1 and parts[0][0].shape[1] == k:
        return parts[0]
    missing = max(0, k - sum(ids.shape[1] for ids, _ in parts))
    ids = [np.where(part < 0, MISSING_ID, part) for part, _ in parts] + [np.full((queries, missing), MISSING_ID)]
    distances = [part for _, part in parts] + [np.full((queries, missing), np.inf)]
    return without_missing(*nearest(np.concatenate(ids, axis=1), np.concatenate(distances, axis=1), k))
