"""What an index holds at one moment. It never changes: who searches it does not wait for who writes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.index.flat import Flat
from semelha.index.neighbors import Neighbors, Vectors, whole_ids
from semelha.index.rows import Found, Hidden, Rows, joined, nothing
from semelha.index.segment import Segment
from semelha.index.space import Queries, Space
from semelha.index.threads import Threads

FEW = 0.1  # part of a segment below which what is asked for is taken out and scanned


@dataclass(frozen=True, eq=False)
class Part:
    """A segment, and which of its rows are there no more."""

    segment: Segment
    removed: Hidden | None = None

    def __len__(self) -> int:
        return len(self.segment.rows) - (self.removed.count if self.removed else 0)

    def locate(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each id, −1 where it is not held."""
        rows = self.segment.rows.locate(ids)
        if self.removed is not None:
            rows[self.removed.mask[rows]] = -1
        return rows

    def without(self, rows: NDArray[np.int64]) -> Part:
        """The same without some rows."""
        removed = self.removed or Hidden(np.zeros(len(self.segment.rows), bool))
        return replace(self, removed=removed.also(rows))

    def held(self) -> Rows:
        """The rows that are there."""
        return self.segment.rows if self.removed is None else self.segment.rows.take(~self.removed.mask)

    def nearest(self, queries: Queries, k: int, within: NDArray[np.int64] | None = None) -> Found:
        """The k nearest of each query, among all or among the ids `within`."""
        if within is None:
            return self.segment.nearest(queries, k, self.removed)
        rows = self.locate(within)
        rows = np.unique(rows[rows >= 0])
        if not len(rows):
            return nothing(len(queries), k)
        if len(rows) <= FEW * len(self.segment.rows):
            chosen = self.segment.rows.take(rows).sorted()
            return Flat(chosen).nearest(chosen, queries, k)
        others = np.ones(len(self.segment.rows), bool)
        others[rows] = False
        return self.segment.nearest(queries, k, Hidden(others))


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Segments, the last of which may be the few vectors that came since.

    Attributes
    ----------
    space : Space
    threads : Threads
    parts : tuple of Part
        None of them empty.
    """

    space: Space
    threads: Threads
    parts: tuple[Part, ...] = ()

    @cached_property
    def count(self) -> int:
        return sum(len(part) for part in self.parts)

    def __len__(self) -> int:
        return self.count

    @property
    def small(self) -> bool:
        """Nothing but the few vectors that no segment is made of yet."""
        return all(part.segment.state == "open" for part in self.parts)

    @property
    def saved(self) -> bool:
        """Every segment is on the disk."""
        return all(part.segment.file is not None or part.segment.state == "open" for part in self.parts)

    def some(self, count: int) -> dict[int, NDArray[np.float32]]:
        """Vectors by id: `count` spread over each segment, and the last id of each."""
        chosen = {}
        for part in self.parts:
            rows = part.segment.rows
            held = np.arange(len(rows)) if part.removed is None else np.flatnonzero(~part.removed.mask)
            spread = held[np.linspace(0, len(held) - 1, count).astype(np.int64)].tolist()
            last = int(held[rows.ids[held].argmax()])
            chosen.update({int(rows.ids[row]): rows.vectors[row] for row in (*spread, last)})
        return chosen

    def search(self, queries: Vectors, k: int, within: NDArray[np.int64] | None = None) -> Neighbors:
        """The k nearest of each query, among all or among the ids `within`: (queries, d) → (queries, k).

        Raises
        ------
        UsageError
            A query that the metric cannot take, of another length than what is stored, or k is below 1.
        ValueError
            `within` holds no ids.
        """
        if k < 1:
            raise UsageError(f"k is {k}: at least one neighbor is asked for")
        asked = self.space.queries(queries)
        if not self.parts or not len(asked):
            return Neighbors(*nothing(len(asked), k))
        dimension = self.parts[0].segment.rows.vectors.shape[1]
        if asked.exact.shape[1] != dimension:
            raise UsageError(f"the queries have {asked.exact.shape[1]} numbers, and what is stored has {dimension}")
        wanted = None if within is None else whole_ids(within)

        def search(which: slice) -> Found:
            some = asked if which == slice(0, len(asked)) else asked.part(which)
            return joined([part.nearest(some, k, wanted) for part in self.parts], len(some), k)

        try:
            found = self.threads.share(len(asked), search)
        except UsageError:
            search(slice(0, len(asked)))  # so that a row that the maps refuse is told by its number among all
            raise
        if len(found) == 1:
            return Neighbors(*found[0])
        return Neighbors(np.concatenate([ids for ids, _ in found]), np.concatenate([lengths for _, lengths in found]))
