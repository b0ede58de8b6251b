"""An immutable view of an index: searches on it never wait for writers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.index.checks import checked_ids
from semelha.index.exact import Flat
from semelha.index.rows import DeletedMask, Found, Rows, merge_results, no_neighbors
from semelha.index.segment import Segment
from semelha.index.space import Queries, Space, Vectors
from semelha.index.threads import Threads

MAX_COPIED_FRACTION = 0.1  # up to this fraction of a segment, the rows of `within` are copied and scanned


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The nearest stored vectors of each query.

    Attributes
    ----------
    ids : (queries, k) int64
        Nearest first, ties by id; −1 if fewer than k are stored.
    distances : (queries, k) float64
        In the metric's own unit; infinite beside −1.
    """

    ids: NDArray[np.int64]
    distances: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SegmentView:
    """A segment and the rows of it that are deleted."""

    segment: Segment
    deleted: DeletedMask | None = None

    def __len__(self) -> int:
        return len(self.segment.rows) - (self.deleted.count if self.deleted else 0)

    @property
    def keeps_deleted(self) -> bool:
        """Whether the file of the segment has deleted rows. The delta is saved without them."""
        return self.deleted is not None and self.segment.state != "open"

    def locate(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each id, −1 for an id that is not stored."""
        rows = self.segment.rows.locate(ids)
        if self.deleted is not None:
            rows[self.deleted.mask[rows]] = -1
        return rows

    def without(self, rows: NDArray[np.int64]) -> SegmentView:
        """The same segment with more rows deleted."""
        deleted = self.deleted or DeletedMask(np.zeros(len(self.segment.rows), bool))
        return replace(self, deleted=deleted.with_rows(rows))

    def live_rows(self) -> Rows:
        """The rows that are not deleted."""
        return self.segment.rows if self.deleted is None else self.segment.rows.take(~self.deleted.mask)

    def nearest(self, queries: Queries, k: int, within: NDArray[np.int64] | None = None) -> Found:
        """Find the k nearest of each query, among all or among the ids `within`."""
        if within is None:
            return self.segment.nearest(queries, k, self.deleted)
        rows = self.locate(within)
        rows = np.unique(rows[rows >= 0])
        if not len(rows):
            return no_neighbors(len(queries), k)
        if len(rows) <= MAX_COPIED_FRACTION * len(self.segment.rows):
            chosen = self.segment.rows.take(rows).sorted()
            return Flat(chosen).nearest(chosen, queries, k)
        others = np.ones(len(self.segment.rows), bool)
        others[rows] = False
        return self.segment.nearest(queries, k, DeletedMask(others))


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The content of an index at one time: its segments, none of them empty; the last may be the delta."""

    space: Space
    threads: Threads
    parts: tuple[SegmentView, ...] = ()

    @cached_property
    def _count(self) -> int:
        return sum(len(part) for part in self.parts)

    def __len__(self) -> int:
        return self._count

    @property
    def is_delta_only(self) -> bool:
        """Whether there is no segment beside the delta."""
        return all(part.segment.state == "open" for part in self.parts)

    @property
    def is_saved(self) -> bool:
        """Whether every segment is on the disk; the delta is saved with the manifest."""
        return all(part.segment.file is not None or part.segment.state == "open" for part in self.parts)

    @property
    def keeps_deleted(self) -> bool:
        """Whether rows that are deleted are saved with it."""
        return any(part.keeps_deleted for part in self.parts)

    def sample(self, count: int) -> dict[int, NDArray[np.float32]]:
        """Vectors by id: `count` spread over each segment, and the one with the largest id of each."""
        chosen = {}
        for part in self.parts:
            rows = part.segment.rows
            live = np.arange(len(rows)) if part.deleted is None else np.flatnonzero(~part.deleted.mask)
            spread = live[np.linspace(0, len(live) - 1, count).astype(np.int64)].tolist()
            last = int(live[rows.ids[live].argmax()])
            chosen.update({int(rows.ids[row]): rows.vectors[row] for row in (*spread, last)})
        return chosen

    def vectors(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some ids: (n,) → (n, d). Raises `KeyError` for an id that is not stored."""
        found = np.empty((len(ids), self.parts[0].segment.rows.vectors.shape[1] if self.parts else 0), np.float32)
        missing = np.ones(len(ids), bool)
        for part in self.parts:
            rows = part.locate(ids)
            here = rows >= 0
            found[here] = part.segment.rows.vectors[rows[here]]
            missing &= ~here
        if missing.any():
            raise KeyError(int(ids[missing.argmax()]))
        return found

    def search(self, queries: Vectors, k: int, within: NDArray[np.int64] | None = None) -> Neighbors:
        """Find the k nearest stored vectors of each query: (queries, d) → (queries, k). See `Index.search`."""
        if k < 1:
            raise UsageError(f"k is {k}: it must be 1 or more")
        checked = self.space.queries(queries)
        if not self.parts or not len(checked):
            return Neighbors(*no_neighbors(len(checked), k))
        dimension = self.parts[0].segment.rows.vectors.shape[1]
        if checked.exact.shape[1] != dimension:
            raise UsageError(f"queries have {checked.exact.shape[1]} numbers, and the stored vectors have {dimension}")
        allowed = None if within is None else checked_ids(within)

        def search(which: slice) -> Found:
            some = checked if which == slice(0, len(checked)) else checked.part(which)
            return merge_results([part.nearest(some, k, allowed) for part in self.parts], len(some), k)

        try:
            found = self.threads.share(len(checked), search)
        except UsageError:
            search(slice(0, len(checked)))  # the error of the maps names the row's number among all queries
            raise
        if len(found) == 1:
            return Neighbors(*found[0])
        return Neighbors(
            np.concatenate([ids for ids, _ in found]), np.concatenate([distances for _, distances in found])
        )
