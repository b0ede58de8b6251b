"""`Index`: nearest-neighbor search over vectors that are added, removed and saved. The contract of all kinds of index.

It is organized as a log-structured merge tree (O'Neil et al., Acta Informatica 33, 1996). New vectors go to a small
delta, which is scanned. A full delta becomes a segment. `merge` combines waiting segments with those of similar size
and replaces them in one step, so that searches and writes continue while it works.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semelha.index.checks import check_ids, checked_ids
from semelha.index.compaction import (
    audit,
    build_view,
    carry_deletions_forward,
    grow_delta,
    select_for_merge,
)
from semelha.index.folder import load_snapshot, provenance_of, save_snapshot
from semelha.index.rows import Rows
from semelha.index.segment import Builder, delta_segment
from semelha.index.snapshot import Neighbors, SegmentView, Snapshot
from semelha.index.space import Space, Vectors
from semelha.index.threads import FaissThreads, Threads
from semelha.metrics import Metric


class MergeStopped(Exception):
    """`Index.close` was called before a merge was complete."""


class Index:
    """Vectors by id, and exact or approximate search for the nearest under a metric.

    The subclasses differ only in the structure of their segments. All methods may be called from any thread: searches
    never wait for writers, and see all of a change or nothing of it.

    Parameters
    ----------
    metric : Metric
    builder : Builder
        Builds the structure of a segment.
    threads : int, optional
        Maximal number of threads at work, for all callers together; by default the processors of this process.

    Raises
    ------
    UsageError
        The structure cannot search under this metric, `threads` is below 1, or a setting is out of range.
    """

    def __init__(self, metric: Metric, builder: Builder, *, threads: int | None = None) -> None:
        self.metric = metric
        self.builder = builder
        self._threads = Threads(threads)
        space = Space(metric)
        builder.check(space)
        self._snapshot = Snapshot(space, self._threads)
        self._write_lock = threading.RLock()
        self._merge_lock = threading.Lock()
        self._stop = threading.Event()
        # An interpreter that ends while another thread is in FAISS would abort the process.
        weakref.finalize(self, _stop_merge, self._stop, self._merge_lock)

    def __len__(self) -> int:
        return len(self._snapshot)

    def snapshot(self) -> Snapshot:
        """The current content, which can be searched unchanged while this index changes."""
        return self._snapshot

    def search(self, queries: Vectors, k: int, within: NDArray[np.int64] | None = None) -> Neighbors:
        """Find the k nearest stored vectors of each query: (queries, d) → (queries, k).

        Parameters
        ----------
        queries : (queries, d) float
        k : int
            If fewer vectors are stored, ids of −1 and infinite distances fill the rows.
        within : (m,) int64, optional
            Only vectors with these ids are found. Ids that are not stored are ignored.

        Raises
        ------
        UsageError
            The metric cannot take a query, its dimension is not that of the stored vectors, or k is below 1.
        ValueError
            `within` does not contain integers.
        """
        return self._snapshot.search(queries, k, within)

    def build(self, ids: NDArray[np.int64], vectors: Vectors) -> None:
        """Replace the content by these vectors, in one segment: (n,) int64 and (n, d) float.

        Raises `UsageError` for a vector that the metric cannot take, and `ValueError` if `ids` and `vectors` differ in
        length, or an id is negative or repeated.
        """
        rows = self._checked_rows(ids, vectors)
        with self._merge_lock:
            with FaissThreads(self._threads.count):
                parts = [build_view(rows, self.builder)] if len(rows) else []
            with self._write_lock:
                self._publish(parts)

    def add(self, ids: NDArray[np.int64], vectors: Vectors) -> None:
        """Add vectors under new ids: (n,) int64 and (n, d) float. They are scanned until `merge` is called.

        Raises as `build`, and `ValueError` if an id is stored already.
        """
        rows = self._checked_rows(ids, vectors)
        if not len(rows):
            return
        with self._write_lock:
            parts = self._snapshot.parts
            if parts and parts[0].segment.rows.vectors.shape[1] != rows.vectors.shape[1]:
                stored = parts[0].segment.rows.vectors.shape[1]
                raise ValueError(f"the vectors have {rows.vectors.shape[1]} numbers, the stored ones {stored}")
            for part in parts:
                is_stored = part.locate(rows.ids) >= 0
                if is_stored.any():
                    raise ValueError(f"the id {rows.ids[is_stored][0]} is stored already: remove it first")
            if parts and parts[-1].segment.state == "open":
                self._publish((*parts[:-1], grow_delta(parts[-1], rows)))
            else:
                self._publish((*parts, SegmentView(delta_segment(rows))))

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Remove the vectors with these ids, (n,) int64. `KeyError` if one is not stored; then nothing is removed."""
        ids = np.unique(checked_ids(ids))
        with self._write_lock:
            found, parts = np.zeros(len(ids), bool), []
            for part in self._snapshot.parts:
                rows = part.locate(ids)
                found |= rows >= 0
                parts.append(part.without(rows[rows >= 0]) if (rows >= 0).any() else part)
            if not found.all():
                raise KeyError(f"not in the index: {ids[~found][:10].tolist()}")
            self._publish(parts)

    @property
    def needs_merge(self) -> bool:
        """Whether `merge` has work to do."""
        return bool(select_for_merge(self._snapshot.parts))

    def merge(self, *, full: bool = False, erase: bool = False, all_threads: bool = False) -> bool:
        """Combine segments; searches and writes continue. Returns whether there was anything to merge.

        Vectors that were added since also measure the recall of the segments that stay: see `audit`.

        Parameters
        ----------
        full : bool
            Merge everything into one segment, not only waiting segments and those of similar size.
        erase : bool
            Merge also every segment that still has removed vectors, which are in no segment afterwards.
        all_threads : bool
            Use all threads of the index instead of half of them.

        Raises
        ------
        MergeStopped
            `close` was called. The content is unchanged.
        """
        with self._merge_lock:
            before = self._merge_candidates(full, erase)
            if not before:
                return False
            with FaissThreads(self._threads.count if all_threads else max(1, self._threads.count // 2)):
                self._audit(before)
                rows = reduce(Rows.joined, (part.live_rows() for part in before))
                new = build_view(rows, self.builder, self._raise_if_stopped) if len(rows) else None
            with self._write_lock:
                merged = {id(part.segment) for part in before}
                others = [part for part in self._snapshot.parts if id(part.segment) not in merged]
                new = None if new is None else carry_deletions_forward(new, before, self._snapshot.parts)
                self._publish([*([] if new is None else [new]), *others])
        return True

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        generation: int = 0,
        fingerprint: str = "",
        snapshot: Snapshot | None = None,
    ) -> None:
        """Save the content to a folder; durable when this returns. Only segments that are not yet there are written.

        Parameters
        ----------
        folder : path
            For this index alone, and for one saving process at a time.
        generation : int
            A number of the caller's, which `load` returns.
        fingerprint : str
            Fingerprint of the model that made the vectors.
        snapshot : Snapshot, optional
            An earlier content of this index, to be saved instead of the current one.

        Raises
        ------
        IndexFileError
            A file cannot be written. The folder contains what it contained before.
        """
        with self._merge_lock:
            saving = self._snapshot if snapshot is None else snapshot
            provenance = provenance_of(self.metric, fingerprint)
            saved = save_snapshot(saving, Path(folder), provenance, self.builder, generation)
            files = {id(a.segment): b.segment.file for a, b in zip(saving.parts, saved.parts, strict=True)}
            with self._write_lock:
                self._publish(
                    replace(part, segment=replace(part.segment, file=files.get(id(part.segment), part.segment.file)))
                    for part in self._snapshot.parts
                )

    def load(self, folder: str | os.PathLike[str], *, fingerprint: str = "") -> int:
        """Replace the content by what was saved in a folder. Returns its generation.

        Raises
        ------
        IndexFileError
            A file is missing or damaged, or of another model, metric, format or kind of index. The content stays.
        """
        with self._merge_lock:
            empty = replace(self._snapshot, parts=())
            provenance = provenance_of(self.metric, fingerprint)
            snapshot, generation = load_snapshot(Path(folder), empty, provenance, self.builder)
            with self._write_lock:
                self._publish(snapshot.parts)
        return generation

    def stats(self) -> dict[str, object]:
        """Number of vectors, bytes and threads, and for each segment its structure and measured recall."""
        now = self._snapshot
        segments = [
            {**part.segment.stats(), "state": part.segment.state, "removed": part.deleted.count if part.deleted else 0}
            for part in now.parts
        ]
        return {
            "search": self.metric.search,
            "vectors": len(now),
            "bytes": sum(part.segment.bytes for part in now.parts),
            "threads": self._threads.count,
            "segments": segments,
        }

    def close(self) -> None:
        """Stop a merge in another thread, and any later one. The content can still be searched."""
        self._stop.set()

    def _checked_rows(self, ids: NDArray[np.int64], vectors: Vectors) -> Rows:
        numbers = checked_ids(ids).copy()
        with np.errstate(over="ignore"):  # the metric refuses what became infinite
            rows = np.array(vectors, np.float32, order="C")
        if rows.ndim != 2 or numbers.shape != (len(rows),):
            raise ValueError(f"ids and vectors must be (n,) and (n, d), not {numbers.shape} and {rows.shape}")
        order = np.argsort(numbers, kind="stable")
        ordered = Rows(self._snapshot.space, numbers[order], rows[order])
        check_ids(ordered.ids)
        if len(rows):
            self.metric.check(ordered.vectors, "the vectors")
        return ordered

    def _publish(self, parts: Iterable[SegmentView]) -> None:
        """Make these the content, without those that are empty."""
        self._snapshot = replace(self._snapshot, parts=tuple(part for part in parts if len(part)))

    def _merge_candidates(self, full: bool, erase: bool) -> list[SegmentView]:
        with self._write_lock:
            if not full:
                return select_for_merge(self._snapshot.parts, erase=erase)
            self._publish(
                replace(part, segment=replace(part.segment, state="waiting")) if part.segment.state == "open" else part
                for part in self._snapshot.parts
            )
            parts = list(self._snapshot.parts)
            is_merged = len(parts) == 1 and parts[0].segment.state == "built" and parts[0].deleted is None
            return [] if is_merged else parts

    def _audit(self, merging: list[SegmentView]) -> None:
        """Measure the recall of the segments that are not merged, with the vectors that they have not seen."""
        newer = [part.live_rows() for part in merging if part.segment.state == "waiting"]
        merged = {id(part.segment) for part in merging}
        if not newer:
            return
        for part in self._snapshot.parts:
            if id(part.segment) not in merged and part.segment.state == "built":
                new = audit(part, reduce(Rows.joined, newer), self.builder.recall)
                with self._write_lock:
                    self._publish(
                        carry_deletions_forward(new, [part], self._snapshot.parts)
                        if now.segment is part.segment
                        else now
                        for now in self._snapshot.parts
                    )

    def _raise_if_stopped(self) -> None:
        if self._stop.is_set():
            raise MergeStopped


def _stop_merge(stop: threading.Event, merge_lock: threading.Lock) -> None:
    """Stop a merge, and wait until it has ended."""
    stop.set()
    if merge_lock.acquire(timeout=60):
        merge_lock.release()
