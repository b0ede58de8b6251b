"""An index that changes while it is searched: immutable segments, a small delta, and marks on what was removed.

As in a log-structured merge tree (O'Neil et al., Acta Informatica 33, 1996): what is added goes to the delta, which is
scanned; a full delta becomes a segment as it is; waiting segments are merged with those about their size, away from
readers and writers, and the result takes their place at once.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semelha.index.audit import audited
from semelha.index.files import load_snapshot, mark_of, save_snapshot
from semelha.index.merging import caught_up, due, grown, made, merged
from semelha.index.neighbors import Neighbors, Vectors, whole_ids
from semelha.index.rows import Rows, check_ids
from semelha.index.segment import delta
from semelha.index.snapshot import Part, Snapshot
from semelha.index.space import Space
from semelha.index.structure import Maker
from semelha.index.threads import Taken, Threads
from semelha.metrics import Metric

logger = logging.getLogger(__name__)


class Stopped(Exception):
    """A merge was ended before it was done."""


class SegmentedIndex:
    """Everything that an index does; what is special to one is its maker.

    Parameters
    ----------
    metric : Metric
    maker : Maker
        Of the structure of segments.
    threads : int, optional
        At most so many work at a time, for all callers together; by default one for each processor.
    background : bool
        Merge by itself, in a thread. Otherwise `merge` is for the caller to call.

    Raises
    ------
    UsageError
        The structure cannot search under this metric.
    """

    def __init__(self, metric: Metric, maker: Maker, *, threads: int | None = None, background: bool = True) -> None:
        self.metric = metric
        self.maker = maker
        self.background = background
        self._threads = Threads(threads)
        space = Space(metric)
        maker.check(space)
        self._now = Snapshot(space, self._threads)
        self._writing = threading.RLock()
        self._merging = threading.Lock()
        self._stop = threading.Event()
        self._workers: list[threading.Thread] = []  # one, or none
        # The process must not end in the middle of FAISS, which cannot be left: it would be aborted.
        weakref.finalize(self, _end, self._stop, self._workers)

    def __len__(self) -> int:
        return len(self._now)

    def snapshot(self) -> Snapshot:
        """What is held now, to be searched while this index changes."""
        return self._now

    def search(self, queries: Vectors, k: int, within: NDArray[np.int64] | None = None) -> Neighbors:
        """The k nearest of each query, among all or among the ids `within`: (queries, d) → (queries, k).

        Never waits for who writes. Raises `UsageError` as `Snapshot.search`.
        """
        return self._now.search(queries, k, within)

    def build(self, ids: NDArray[np.int64], vectors: Vectors) -> None:
        """Hold these and nothing else, in one segment made at once: (n,) int64 and (n, d) float.

        Raises
        ------
        UsageError
            A vector that the metric cannot take.
        ValueError
            There is not one vector for each id, or an id is there twice.
        """
        rows = self._rows(ids, vectors)
        with self._merging:
            with Taken(self._threads.count):
                parts = [made(rows, self.maker)] if len(rows) else []
            with self._writing:
                self._put(parts)

    def add(self, ids: NDArray[np.int64], vectors: Vectors) -> None:
        """Hold these too. `ValueError` for an id that is held already; otherwise as `build`."""
        rows = self._rows(ids, vectors)
        if not len(rows):
            return
        with self._writing:
            parts = self._now.parts
            if parts and parts[0].segment.rows.vectors.shape[1] != rows.vectors.shape[1]:
                raise ValueError(f"the vectors have {rows.vectors.shape[1]} numbers, unlike those that are held")
            for part in parts:
                held = part.locate(rows.ids) >= 0
                if held.any():
                    raise ValueError(f"an index holds every id once, and has {rows.ids[held][0]} already")
            if parts and parts[-1].segment.state == "open":
                self._put((*parts[:-1], grown(parts[-1], rows)))
            else:
                self._put((*parts, Part(delta(rows))))
        self._merge_soon()

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Let go of these. `KeyError` for an id that is not held; then nothing is removed."""
        ids = np.unique(whole_ids(ids))
        with self._writing:
            found, parts = np.zeros(len(ids), bool), []
            for part in self._now.parts:
                rows = part.locate(ids)
                found |= rows >= 0
                parts.append(part.without(rows[rows >= 0]) if (rows >= 0).any() else part)
            if not found.all():
                raise KeyError(f"not in the index: {ids[~found][:10].tolist()}")
            self._put(parts)
        self._merge_soon()

    @property
    def wants_merge(self) -> bool:
        """There is something for `merge` to do."""
        return bool(due(self._now.parts))

    def merge(self, *, whole: bool = False, hurry: bool = False) -> bool:
        """Merge what waits with the segments about its size, or everything into one. True where there was something.

        Others search and write meanwhile: it takes half of the threads, one at least; in a hurry all.

        Raises
        ------
        Stopped
            `close` was called, before or meanwhile; what is held stays as it is.
        """
        with self._merging:
            before = self._to_merge(whole)
            if not before:
                return False
            with Taken(self._threads.count if hurry else max(1, self._threads.count // 2)):
                self._audit(before)
                new = merged(before, self.maker, self._go_on)
            with self._writing:
                chosen = {id(part.segment) for part in before}
                others = [part for part in self._now.parts if id(part.segment) not in chosen]
                new = None if new is None else caught_up(new, before, self._now.parts)
                self._put([*([] if new is None else [new]), *others])
        return True

    def _audit(self, merging: list[Part]) -> None:
        """Look for what waits to be merged in the segments that stay as they are."""
        newer = [part.held() for part in merging if part.segment.state == "waiting"]
        chosen = {id(part.segment) for part in merging}
        if not newer:
            return
        for part in self._now.parts:
            if id(part.segment) not in chosen and part.segment.state == "made":
                new = audited(part, reduce(Rows.joined, newer), self.maker.recall)
                with self._writing:
                    self._put(
                        [
                            caught_up(new, [part], self._now.parts) if now.segment is part.segment else now
                            for now in self._now.parts
                        ]
                    )

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        generation: int = 0,
        fingerprint: str = "",
        snapshot: Snapshot | None = None,
    ) -> None:
        """Make a folder hold what is held now; durable when this returns. Only segments not yet there are written.

        Parameters
        ----------
        folder : path
            For this index alone, and for one process that saves at a time.
        generation : int
            What `load` returns.
        fingerprint : str
            Of the model that made the vectors.
        snapshot : Snapshot, optional
            Of this index, to be saved instead: what was held at the generation, however much was written since.

        Raises
        ------
        IndexFileError
            It cannot be written; the folder holds what it held.
        """
        with self._merging:
            now, mark = self._now if snapshot is None else snapshot, mark_of(self.metric, fingerprint)
            saved = save_snapshot(now, Path(folder), mark, self.maker, generation)
            files = {id(a.segment): b.segment.file for a, b in zip(now.parts, saved.parts, strict=True)}
            with self._writing:
                self._put(
                    [
                        replace(
                            part, segment=replace(part.segment, file=files.get(id(part.segment), part.segment.file))
                        )
                        for part in self._now.parts
                    ]
                )

    def load(self, folder: str | os.PathLike[str], *, fingerprint: str = "") -> int:
        """Hold what was saved in a folder, and nothing else. Returns its generation.

        Raises
        ------
        IndexFileError
            Something is missing or damaged, or of another model, metric, format or kind of index; what was held stays.
        """
        with self._merging:
            empty = replace(self._now, parts=())
            snapshot, generation = load_snapshot(Path(folder), empty, mark_of(self.metric, fingerprint), self.maker)
            with self._writing:
                self._put(snapshot.parts)
        self._merge_soon()
        return generation

    def stats(self) -> dict[str, object]:
        """What it holds, and how: kind, number of vectors, bytes, and the same of each segment."""
        now = self._now
        segments = [
            {**part.segment.stats(), "state": part.segment.state, "removed": part.removed.count if part.removed else 0}
            for part in now.parts
        ]
        return {
            "search": self.metric.search,
            "vectors": len(now),
            "bytes": sum(part.segment.bytes for part in now.parts),
            "threads": self._threads.count,
            "segments": segments,
        }

    def wait(self) -> None:
        """Until no merge goes on in the background."""
        for worker in tuple(self._workers):
            worker.join()

    def close(self) -> None:
        """End a merge that goes on in the background; what is held can still be searched."""
        _end(self._stop, self._workers)

    def _rows(self, ids: NDArray[np.int64], vectors: Vectors) -> Rows:
        numbers = whole_ids(ids).copy()
        with np.errstate(over="ignore"):  # the metric refuses what became infinite
            rows = np.array(vectors, np.float32, order="C")
        if rows.ndim != 2 or numbers.shape != (len(rows),):
            raise ValueError("an index needs one vector for each id")
        order = np.argsort(numbers, kind="stable")
        ordered = Rows(self._now.space, numbers[order], rows[order])
        check_ids(ordered)
        if len(rows):
            self.metric.check(ordered.vectors, "what is stored")
        return ordered

    def _put(self, parts: Iterable[Part]) -> None:
        """From now on this is what is held."""
        self._now = replace(self._now, parts=tuple(part for part in parts if len(part)))

    def _to_merge(self, whole: bool) -> list[Part]:
        with self._writing:
            if not whole:
                return due(self._now.parts)
            self._put(
                [
                    replace(part, segment=replace(part.segment, state="waiting"))
                    if part.segment.state == "open"
                    else part
                    for part in self._now.parts
                ]
            )
            parts = list(self._now.parts)
            alone = len(parts) == 1 and parts[0].segment.state == "made" and parts[0].removed is None
            return [] if alone else parts

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _merge_soon(self) -> None:
        if not self.background or self._stop.is_set() or not self.wants_merge:
            return
        with self._writing:
            if not self._workers:
                self._workers.append(threading.Thread(target=self._work, name="semelha-merge", daemon=True))
                self._workers[0].start()

    def _work(self) -> None:
        try:
            while self._wants_more():
                self.merge()
        except Stopped:
            self._workers.clear()
        except Exception:
            logger.exception("segments could not be merged; they are searched as they are")
            self._workers.clear()

    def _wants_more(self) -> bool:
        """For the worker, who goes where there is nothing: whoever writes from then on starts another."""
        with self._writing:
            if not self.wants_merge:
                self._workers.clear()
            return bool(self._workers)


def _end(stop: threading.Event, workers: list[threading.Thread]) -> None:
    stop.set()
    for worker in tuple(workers):
        worker.join()
