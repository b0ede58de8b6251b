"""The index of a gallery on Milvus: the server finds candidates, which are ranked here by the vectors as stored.

The server searches exhaustively in float32. The candidates are re-ranked in float64, and more are asked for as long as
rounding may have kept a nearer one out of them: so the answers are those of a gallery in a folder, to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from semelha.errors import GalleryError, UsageError
from semelha.gallery.live_index import IndexFolder, SyncedIndex
from semelha.index import Index, Neighbors, Snapshot
from semelha.index.exact import FlatBuilder
from semelha.index.ranking import SPARE_CANDIDATES
from semelha.index.rows import Found, Rows, merge_results, no_neighbors
from semelha.index.space import Queries, Vectors
from semelha.metrics import Metric
from semelha.store import View
from semelha.store.milvus.client import MAX_ROWS, Collection
from semelha.store.milvus.values import StoredVectors
from semelha.store.milvus.view import MilvusView

PROBES = 256  # of a search
BLOCK = 1 << 15  # vectors that are compared at a time where the server cannot search

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Column:
    """Numbers (n,) by ascending keys (n,)."""

    keys: Numbers
    values: Numbers

    def find(self, keys: Numbers) -> Numbers:
        """The value of each key; −1 for a key that is not there."""
        if not len(self.keys):
            return np.full(keys.shape, -1, np.int64)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, self.values[places], -1)

    def changed(self, removed: Numbers, keys: Numbers, values: Numbers) -> Column:
        """Without some keys, and with others."""
        old, kept = self.keys, self.values
        if len(removed):
            stays = ~np.isin(old, removed)
            old, kept = old[stays], kept[stays]
        order = np.argsort(keys, kind="stable")
        places = np.searchsorted(old, keys[order])
        return Column(np.insert(old, places, keys[order]), np.insert(kept, places, values[order]))


@dataclass(frozen=True, eq=False)
class Examples:
    """The examples of a gallery at one change, and the rows of their vectors, found by either."""

    by_id: Column
    by_row: Column

    @property
    def ids(self) -> Numbers:
        """Numbers of the examples, ascending."""
        return self.by_id.keys

    def changed(self, removed: Numbers, ids: Numbers, rows: Numbers) -> Examples:
        """Without some examples, by number, and with others."""
        gone = self.by_id.find(removed)
        return Examples(self.by_id.changed(removed, ids, rows), self.by_row.changed(gone, rows, ids))


NO_NUMBERS = np.empty(0, np.int64)
NONE = Examples(Column(NO_NUMBERS, NO_NUMBERS), Column(NO_NUMBERS, NO_NUMBERS))


@dataclass(frozen=True, eq=False, kw_only=True)
class MilvusSnapshot(Snapshot):
    """The examples at one change, which the server searches. It has no parts."""

    collection: Collection
    stored: StoredVectors
    examples: Examples = NONE
    max_norm: float = 0.0  # of the mapped vectors that were ever enrolled

    def __len__(self) -> int:
        return len(self.examples.ids)

    def vectors(self, ids: Numbers) -> NDArray[np.float32]:
        rows = self.examples.by_id.find(ids)
        if (rows < 0).any():
            raise KeyError(int(ids[(rows < 0).argmax()]))
        found = self.stored.read(rows.tolist())
        missing = [example for example, row in zip(ids.tolist(), rows.tolist(), strict=True) if row not in found]
        if missing:
            raise GalleryError(f"example {missing[0]} was removed while it was read: try again")
        data = b"".join(found[row] for row in rows.tolist())
        return np.frombuffer(data, "<f4").reshape(len(ids), self.collection.dimensions["vector"])

    def search(self, queries: Vectors, k: int, within: Numbers | None = None) -> Neighbors:
        if k < 1:
            raise UsageError(f"k is {k}: it must be 1 or more")
        checked = self.space.queries(queries)
        if not len(self) or not len(checked):
            return Neighbors(*no_neighbors(len(checked), k))
        dimension = self.collection.dimensions["vector"]
        if checked.exact.shape[1] != dimension:
            raise UsageError(f"queries have {checked.exact.shape[1]} numbers, and the stored vectors have {dimension}")
        if within is not None:
            ids = np.unique(within[self.examples.by_id.find(within) >= 0])
            return Neighbors(*self._scanned(checked, k, ids))
        parts = [
            self._nearest(checked.part(slice(start, start + PROBES)), min(k, len(self)))
            for start in range(0, len(checked), PROBES)
        ]
        found = np.concatenate([ids for ids, _ in parts]), np.concatenate([distances for _, distances in parts])
        return Neighbors(*merge_results([found], len(checked), k))

    def _nearest(self, queries: Queries, k: int) -> Found:
        """The k nearest of each query; there are as many."""
        ids, distances = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
        pending, n_candidates = np.arange(len(queries)), k + SPARE_CANDIDATES
        while len(pending):
            if n_candidates > MAX_ROWS:
                ids[pending], distances[pending] = self._scanned(queries, k, self.examples.ids)
                break
            found, nearest, doubt = self._attempt(queries, k, n_candidates)
            ids[pending], distances[pending] = found, nearest
            pending, queries = pending[doubt], queries.part(doubt)
            n_candidates = 4 * n_candidates
        return ids, distances

    def _attempt(
        self, queries: Queries, k: int, n_candidates: int
    ) -> tuple[Numbers, NDArray[np.float64], NDArray[np.bool_]]:
        """The k nearest candidates: ids and distances, (q, k); and whether another example may be nearer: (q,)."""
        field = "mapped" if "mapped" in self.collection.dimensions else "vector"
        rows, keys = self.collection.search(queries.mapped, n_candidates, field)
        candidates, places = self._candidates(rows)
        if not len(candidates):
            return *no_neighbors(len(queries), k), np.ones(len(queries), bool)
        found, distances = candidates.reranked(queries, places, n_candidates)
        if found.shape[1] < k:
            found, distances = merge_results([(found, distances)], len(queries), k)
        number = np.cumsum(places >= 0, axis=1)
        short = number[:, -1] < k
        kth = np.take_along_axis(keys, np.argmax(number >= k, axis=1)[:, None], axis=1)[:, 0]
        last = keys[:, -1]
        lines = np.arange(len(keys))
        worst = distances[lines, np.maximum(number[:, -1], 1) - 1]
        near = (np.abs(last - kth) <= self._rounding_error(queries, kth, last)) | (worst <= distances[:, k - 1])
        exhausted = np.isnan(last)  # the server has no more
        return found[:, :k], distances[:, :k], short | (~exhausted & near)

    def _candidates(self, rows: Numbers) -> tuple[Rows, Numbers]:
        """The examples among what the server found, (q, c), with their vectors, and where each is: −1 for none."""
        ids = self.examples.by_row.find(rows)  # −1 for what is being enrolled or deleted
        stored = self.stored.read(np.unique(rows[ids >= 0]).tolist())
        lost = [row for row in np.unique(rows[ids >= 0]).tolist() if row not in stored]
        if lost:  # deleted since the search
            ids = np.where(np.isin(rows, lost), -1, ids)
        examples = np.unique(ids[ids >= 0])
        data = b"".join(stored[row] for row in self.examples.by_id.find(examples).tolist())
        vectors = np.frombuffer(data, "<f4").reshape(len(examples), self.collection.dimensions["vector"])
        return Rows(self.space, examples, vectors), np.where(ids >= 0, np.searchsorted(examples, ids), -1)

    def _rounding_error(
        self, queries: Queries, kth: NDArray[np.float32], last: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """The largest difference of keys of candidates near the last one that rounding can explain: (q,)."""
        squares = np.einsum("qm,qm->q", queries.precise, queries.precise)
        if self.space.product == "ip":
            scale = np.sqrt(squares) * self.max_norm
        else:
            # A candidate at the squared distance of the last one has at most the norm of the query and that distance.
            scale = 2 * (squares + (np.sqrt(squares) + np.sqrt(np.maximum(last, kth)).astype(np.float64)) ** 2)
        worst: NDArray[np.float64] = scale * (queries.mapped.shape[1] + 8) * np.finfo(np.float32).eps
        return worst

    def _scanned(self, queries: Queries, k: int, ids: Numbers) -> Found:
        """The k nearest of each query among some examples, all of which are read."""
        parts = []
        for start in range(0, len(ids), BLOCK):
            some = ids[start : start + BLOCK]
            parts.append(Rows(self.space, some, self.vectors(some)).scanned(queries, k))
        return merge_results(parts, len(queries), k) if parts else no_neighbors(len(queries), k)


class MilvusIndex(Index):
    """An index of which this process has the numbers of the examples, and the server the vectors."""

    def __init__(self, metric: Metric, collection: Collection, stored: StoredVectors, threads: int | None) -> None:
        super().__init__(metric, FlatBuilder("Milvus compares every vector"), threads=threads)
        empty = self._snapshot
        self._snapshot = MilvusSnapshot(empty.space, empty.threads, collection=collection, stored=stored)

    def change(self, removed: Numbers, ids: Numbers, rows: Numbers, max_norm: float) -> None:
        """Remove examples, and add others whose vectors are in these rows; `max_norm` is that of mapped vectors."""
        with self._write_lock:
            now = self._snapshot
            assert isinstance(now, MilvusSnapshot)
            self._snapshot = replace(now, examples=now.examples.changed(removed, ids, rows), max_norm=max_norm)

    def merge(self, *, full: bool = False, erase: bool = False, all_threads: bool = False) -> bool:
        """Let the server write its segments, which it searches faster than what is in its memory."""
        snapshot = self._snapshot
        assert isinstance(snapshot, MilvusSnapshot)
        snapshot.collection.flush()
        return False

    def stats(self) -> dict[str, object]:
        return {**super().stats(), "search": f"{self.metric.search}, by Milvus"}


@dataclass(frozen=True, eq=False)
class SyncedMilvusIndex(SyncedIndex):
    """A `MilvusIndex` at one change."""

    def synchronized(self, view: View) -> Self:
        assert isinstance(view, MilvusView)
        assert isinstance(self.index, MilvusIndex)
        removed = view.removed_since(self.change) if self.change else NO_NUMBERS
        self.index.change(removed, *view.references_since(self.change), view.max_norm())
        return replace(self, change=view.change)


@dataclass(frozen=True, kw_only=True)
class MilvusIndexFolder(IndexFolder):
    """Makes the index of a gallery on Milvus; nothing of it is saved."""

    collection: Collection
    stored: StoredVectors

    def empty_index(self) -> MilvusIndex:
        return MilvusIndex(self.model.metric, self.collection, self.stored, self.threads)

    def open(self, view: View) -> SyncedIndex:
        return SyncedMilvusIndex(self.empty_index()).synchronized(view)

    def read_vectors(self, view: View) -> SyncedIndex:
        return self.open(view)
