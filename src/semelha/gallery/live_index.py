"""The live index: a gallery's index and calibration scores in memory and on disk, synchronized with its database.

The index on disk belongs to one change of the database, its generation. Opening a gallery reads it and applies the
later changes. It is derived data: if anything is wrong with it, it is built anew from the vectors in the database.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from semelha.embedders import Model
from semelha.errors import CalibrationError, GalleryError, IndexFileError, SemelhaError
from semelha.files import file_lock
from semelha.gallery.calibration.rule import (
    carried_forward,
    is_incremental,
    plan_of,
    rule_of,
    saved_scores,
    scores_of,
)
from semelha.gallery.state import CachedState, GalleryState
from semelha.index import AutoIndex, Index, Snapshot
from semelha.index.base import MergeStopped
from semelha.index.folder import MANIFEST, generation_on_disk, recall_on_disk
from semelha.recognition.identify import UNCALIBRATED, UNSUPPORTED
from semelha.store import Store, View

RECALL = 0.99
SAMPLED = 16  # vectors of each segment that are compared with the database

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SyncedIndex:
    """An index with the same examples as the database at one change."""

    index: Index
    change: int = 0  # 0 before anything was read
    generation: int = 0  # change of the index on disk that was last read or written
    unusable: bool = False  # the index on disk cannot be used and must be replaced
    removed: int = 0  # vectors that were removed from it since it was made or loaded
    removed_at: float | None = None  # (monotonic) since when the index on disk has vectors that were removed

    def synchronized(self, view: View) -> SyncedIndex:
        """The same index with the changes up to a view applied, which must not be older than the index.

        Raises `ValueError` or `KeyError` if the index is not of this database, or the log of removed examples does not
        reach back to its change.
        """
        removed = view.removed_since(self.change)
        ids, vectors = view.added_since(self.change)
        if len(removed):
            self.index.remove(removed)
        if len(ids):
            self.index.add(ids, vectors)
        removed_at = self.removed_at
        if len(removed) and self.generation and removed_at is None:
            removed_at = time.monotonic()
        return replace(self, change=view.change, removed=self.removed + len(removed), removed_at=removed_at)


@dataclass(frozen=True)
class IndexFolder:
    """Reads and writes the index of a gallery in its folder."""

    gallery: Path
    model: Model
    recall: float | None = None  # target recall@10, 1 for exact search; by default that of the index on disk
    threads: int | None = None
    default_recall: float = RECALL  # without `recall`, if no index is on disk

    @property
    def folder(self) -> Path:
        """Folder of the segment files."""
        return self.gallery / "index"

    @property
    def has_index(self) -> bool:
        """Whether an index is on disk, usable or not."""
        return (self.folder / MANIFEST).exists()

    def empty_index(self) -> Index:
        """A new, empty index. Raises `UsageError` if the recall or the number of threads is out of range."""
        recall = self.recall if self.recall is not None else recall_on_disk(self.folder) or self.default_recall
        return AutoIndex(self.model.metric, recall=recall, threads=self.threads)

    def open(self, view: View) -> SyncedIndex:
        """The index at the change of a view: loaded from disk, or else built from the vectors in the database."""
        try:
            return self.load(view)
        except IndexFileError as error:
            # The log of removed examples is trimmed only when an index is saved, so an untrimmed one misses none.
            unusable = view.trimmed > 0 or self.has_index
            if unusable:
                logger.warning("the index is built again from the vectors: %s", error)
        return replace(self.read_vectors(view), generation=self.generation() or 0, unusable=unusable)

    def read_vectors(self, view: View) -> SyncedIndex:
        """An index of all vectors in the database, searched exactly until it is merged."""
        index = self.empty_index()
        index.add(*view.added_since(0))
        return SyncedIndex(index, view.change)

    def load(self, view: View) -> SyncedIndex:
        """The index on disk, synchronized with a view, which is refreshed if the disk is ahead of it.

        Raises `IndexFileError` if there is no usable index on disk, or it is not of this database.
        """
        index = self.empty_index()
        generation = index.load(self.folder, fingerprint=self.model.fingerprint)
        if generation > view.change:
            view.refresh()
        if not view.reaches(generation):
            raise IndexFileError(f"{self.folder} is of a change that the database does not know")
        try:
            removed_at = time.monotonic() if index.snapshot().keeps_deleted else None
            synced = SyncedIndex(index, generation, generation, removed_at=removed_at).synchronized(view)
        except (ValueError, KeyError) as error:
            raise IndexFileError(f"{self.folder} cannot be synchronized with the database: {error}") from error
        if not _matches(index.snapshot(), view):
            raise IndexFileError(f"{self.folder} holds other vectors than the database")
        return synced

    def generation(self) -> int | None:
        """Generation of the index on disk; None if there is none that can be read."""
        return generation_on_disk(self.folder)

    def save(self, synced: SyncedIndex, snapshot: Snapshot) -> None:
        """Write a snapshot of the index at its change. Raises `IndexFileError`."""
        synced.index.save(self.folder, generation=synced.change, fingerprint=self.model.fingerprint, snapshot=snapshot)

    @contextmanager
    def lock(self, *, wait: bool = False) -> Iterator[bool]:
        """Lock the index for merging and saving, among all processes, until the block ends; False if it is locked.

        Raises `IndexFileError` if the lock file cannot be created.
        """
        with file_lock(self.gallery / "index.lock", wait=wait, error=IndexFileError) as is_locked:
            yield is_locked


def _matches(index: Snapshot, view: View) -> bool:
    """Whether the index is of this database, and not of one that was replaced by an older copy.

    The last vectors of each segment show what was enrolled after the copy was made; checksums guard the files.
    """
    sample = index.sample(SAMPLED)
    true = view.vectors(sample)
    return len(index) == len(view) and all(
        example in true and np.array_equal(vector, true[example]) for example, vector in sample.items()
    )


class LiveIndex:
    """The index and calibration scores of a gallery, brought up to date whenever they are read.

    `on_work` is called when the index needs compaction, the index on disk has vectors that were removed, or the scores
    need to be computed again; it must return at once.
    """

    def __init__(self, store: Store, model: Model, folder: IndexFolder) -> None:
        self._store = store
        self._model = model
        self._folder = folder
        self._synced = SyncedIndex(folder.empty_index())
        self._cached = CachedState(0, self._synced.index.snapshot())
        self._saved_scores = 0  # change of the scores that the store has
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.on_work: Callable[[], None] = lambda: None

    @contextmanager
    def read(self, *, with_rule: bool = True) -> Iterator[GalleryState]:
        """The gallery at a change not before the call, until the block ends; its rule is computed if `with_rule`."""
        with self._store.reading() as view:
            cached = self._synchronized(view, with_rule)
            yield GalleryState(view, cached, self._model.metric, self._store.called_unknown.record)

    @property
    def synced(self) -> SyncedIndex:
        """The index, and the change that it is synchronized with."""
        return self._synced

    @property
    def needs_work(self) -> bool:
        """Whether segments should be merged, an unusable index on disk replaced, or stale scores computed again."""
        return self._synced.index.needs_merge or self._synced.unusable or self._cached.stale

    @property
    def removed_at(self) -> float | None:
        """Since when (monotonic) the index on disk has vectors that were removed; None if it has none."""
        return None if self._store.read_only else self._synced.removed_at

    def stats(self) -> dict[str, object]:
        """Statistics of the index in memory and on disk."""
        index = self._synced.index
        return {
            **index.stats(),
            "recall": index.builder.recall,
            "on_disk": self._folder.generation(),
            "needs_merge": index.needs_merge,
        }

    def merge(self, *, erase: bool = False, all_threads: bool = False) -> bool:
        """Merge segments as `AutoIndex.merge` does; True also if the index was replaced during the merge."""
        index = self._synced.index
        try:
            return index.merge(erase=erase, all_threads=all_threads)
        except MergeStopped:
            if index is self._synced.index:
                raise
            return True

    def refreshed(self) -> tuple[SyncedIndex, Snapshot]:
        """The index and its present snapshot, which searches use from now on."""
        with self._lock:
            if self._synced.change:
                self._cached = replace(self._cached, index=self._synced.index.snapshot())
            return self._synced, self._cached.index

    def mark_saved(self, saved: SyncedIndex) -> None:
        """Record that the index was written to disk in this state."""
        with self._lock:
            if self._synced.index is saved.index:
                self._synced = replace(self._synced, generation=saved.change, unusable=False)

    def mark_erased(self, saved: SyncedIndex, snapshot: Snapshot) -> None:
        """Record that the disk has this snapshot, or no index: vectors that it does not have are erased."""
        with self._lock:
            now = self._synced
            if now.index is saved.index:
                is_erased = now.removed == saved.removed and not snapshot.keeps_deleted
                removed_at = None if is_erased else now.removed_at or time.monotonic()
                self._synced = replace(now, removed_at=removed_at)

    def adopt(self, other: SyncedIndex) -> None:
        """Replace the index by another one of this database."""
        with self._lock, self._store.reading() as view:
            other = other.synchronized(view)
            self._synced.index.close()
            self._synced = other
            self._cached = self._cached_at(view)

    def recalibrate(self) -> None:
        """Compute stale scores again and save them; readers use the earlier scores until then."""
        with self._store.reading() as view:
            plan = plan_of(view)
        if (plan is None or is_incremental(plan)) and not self._cached.stale:
            return
        with self.read() as state:  # reads a changed plan too, after which nothing is stale
            plan = state.cached.plan
            if plan is None or not state.cached.stale:
                return
            scores = scores_of(state.view, state.index, self._model, plan, None, check_stop=self._check_stop)
        with self._lock:
            if self._cached.plan == plan:
                self._cached = replace(self._cached, scores=scores, has_rule=False, stale=False)
        self.save_scores()

    def stop(self) -> None:
        """Cancel a running merge and a running computation of scores."""
        self._closing.set()
        self._synced.index.close()

    def _check_stop(self) -> None:
        if self._closing.is_set():
            raise MergeStopped

    def save_scores(self) -> None:
        """Save the scores in the store, so that the next process to open the gallery need not compute them."""
        cached = self._cached
        if cached.plan is None or cached.scores is None or cached.scores.change <= self._saved_scores:
            return
        try:
            self._store.save_scores(cached.plan, cached.scores)
        except GalleryError as error:
            logger.warning("the scores of the calibration are not saved and will be computed again: %s", error)
        self._saved_scores = cached.scores.change

    def _synchronized(self, view: View, with_rule: bool) -> CachedState:
        """The cached state at the change of the view; a view older than the cache is refreshed."""
        cached = self._cached
        if cached.change == view.change and (cached.has_rule or not with_rule):
            return cached
        with self._lock:
            if self._cached.change > view.change:
                view.refresh()
            if self._cached.change != view.change:  # an earlier one if the database was restored under the process
                self._synchronize_index(view)
                if self.needs_work or self.removed_at is not None:
                    self.on_work()
            if with_rule and not self._cached.has_rule:
                self._cached = self._with_rule(view)
                if self._cached.stale:
                    self.on_work()
            return self._cached

    def _synchronize_index(self, view: View) -> None:
        try:
            try:
                self._synced = self._synced.synchronized(view) if self._synced.change else self._folder.open(view)
            except (KeyError, ValueError) as error:
                if isinstance(error, SemelhaError):
                    raise
                # The index is of a change, or has an example, that this database does not know.
                self._synced.index.close()
                self._synced = self._folder.open(view)
        except BaseException:
            # The index may be half updated: it is opened anew the next time.
            self._synced = SyncedIndex(self._folder.empty_index())
            self._cached = CachedState(0, self._synced.index.snapshot())
            raise
        self._cached = self._cached_at(view)

    def _cached_at(self, view: View) -> CachedState:
        """The cached state at the change of a view that the index is synchronized with."""
        cached = self._cached
        if cached.change == view.change:
            return replace(cached, index=self._synced.index.snapshot())
        plan, scores = plan_of(view), cached.scores
        if plan is not None and plan != cached.plan:
            scores = saved_scores(view, plan)
            self._saved_scores = scores.change if scores is not None else 0
        return CachedState(view.change, self._synced.index.snapshot(), plan, scores)

    def _with_rule(self, view: View) -> CachedState:
        cached = self._cached
        if cached.plan is None:
            return replace(cached, has_rule=True)
        scores = cached.scores
        if is_incremental(cached.plan) or scores is None:
            scores = scores_of(view, cached.index, self._model, cached.plan, scores)
        elif scores.change != view.change:
            saved = saved_scores(view, cached.plan)  # another process may have computed them
            later = saved if saved is not None and saved.change > scores.change else scores
            scores = carried_forward(view, later)
        rule, note = None, UNCALIBRATED
        try:
            rule = rule_of(view, cached.plan, scores)
        except CalibrationError as error:
            note = UNSUPPORTED.format(error)
        stale = scores.change != view.change
        return replace(cached, scores=scores, has_rule=True, rule=rule, without_rule=note, stale=stale)
