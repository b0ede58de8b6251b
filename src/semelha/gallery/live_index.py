"""The live index: keeps a gallery's index and calibration scores in memory, synchronized with its database."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from semelha.embedders import Model
from semelha.errors import CalibrationError, GalleryError
from semelha.gallery.calibration.rule import (
    carried_forward,
    is_incremental,
    plan_of,
    rule_of,
    saved_scores,
    scores_of,
)
from semelha.gallery.index_folder import IndexFolder, SyncedIndex
from semelha.gallery.state import CachedState, GalleryState
from semelha.index import Snapshot
from semelha.index.base import MergeStopped
from semelha.store import Store, View

logger = logging.getLogger(__name__)


class LiveIndex:
    """The index and calibration scores of a gallery, brought up to date whenever they are read.

    `on_work` is called when the index needs compaction or the scores need to be computed again; it must return at once.
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
            yield GalleryState(view, self._synchronized(view, with_rule), self._model.metric)

    @property
    def synced(self) -> SyncedIndex:
        """The index, and the change that it is synchronized with."""
        return self._synced

    @property
    def needs_work(self) -> bool:
        """Whether segments should be merged, an unusable index on disk replaced, or stale scores computed again."""
        return self._synced.index.needs_merge or self._synced.unusable or self._cached.stale

    def stats(self) -> dict[str, object]:
        """Statistics of the index in memory and on disk."""
        index = self._synced.index
        return {
            **index.stats(),
            "recall": index.builder.recall,
            "on_disk": self._folder.generation(),
            "needs_merge": index.needs_merge,
        }

    def merge(self, *, all_threads: bool = False) -> bool:
        """Merge segments as `AutoIndex.merge` does; True also if the index was replaced during the merge."""
        index = self._synced.index
        try:
            return index.merge(all_threads=all_threads)
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
            if self._cached.change < view.change:
                self._synchronize_index(view)
                if self.needs_work:
                    self.on_work()
            if with_rule and not self._cached.has_rule:
                self._cached = self._with_rule(view)
                if self._cached.stale:
                    self.on_work()
            return self._cached

    def _synchronize_index(self, view: View) -> None:
        try:
            if self._synced.change and view.reaches(self._synced.change):
                self._synced = self._synced.synchronized(view)
            else:
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
        try:
            rule = rule_of(view, cached.plan, scores)
        except CalibrationError:
            rule = None
        stale = scores.change != view.change
        return replace(cached, scores=scores, has_rule=True, rule=rule, stale=stale)
