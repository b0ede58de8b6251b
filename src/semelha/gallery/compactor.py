"""Background compaction: merges the segments of a gallery's index and saves it, away from readers and writers.

It also erases the vectors of removed examples, by building the segments that have them again without them.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import ClassVar

from semelha.errors import GalleryError, GalleryMoved, IndexFileError
from semelha.gallery.live_index import IndexFolder, LiveIndex
from semelha.index.base import MergeStopped
from semelha.store import Store

logger = logging.getLogger(__name__)

ERASE_PAUSE = 20.0  # times as long as it took, until vectors are erased again


class Compactor:
    """Merges and saves the index in a background thread, in one process at a time."""

    poll_seconds: ClassVar[float] = 1.0  # between checks whether another process still compacts
    erase_seconds: ClassVar[float] = 10.0  # from a removal until it is erased together with what follows

    def __init__(self, live: LiveIndex, store: Store, folder: IndexFolder) -> None:
        self._live = live
        self._store = store
        self._folder = folder
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._may_erase = 0.0  # monotonic
        self._worker: threading.Thread | None = None
        if not store.damage.is_checked:
            self.start()

    def start(self) -> None:
        """Start the background thread, unless it runs."""
        self._wake.set()
        with self._lock:
            if self._worker is None and not self._stop.is_set():
                self._worker = threading.Thread(target=self._work, name="semelha-compactor", daemon=True)
                self._worker.start()

    def flush(self, *, rebuild: bool = False) -> None:
        """Merge and save the present index now, after any compaction that runs already.

        With `rebuild` it is built anew, in one segment. Raises `IndexFileError` if it cannot be saved, `GalleryError`
        if the gallery was closed or its database cannot be read.
        """
        try:
            with self._folder.lock(wait=True):
                if rebuild:
                    self._rebuild()
                with self._live.read(with_rule=False):
                    pass
                _, snapshot = self._live.refreshed()
                for _ in range(len(snapshot.parts) + 1):  # what is written during it waits for the background thread
                    if not self._round(all_threads=True):
                        break
        except MergeStopped as error:
            raise GalleryError("the gallery was closed before its index was merged") from error

    def close(self) -> None:
        """Stop the background thread, and wait until it has ended, which takes seconds at most."""
        self._stop.set()
        self._wake.set()
        self._live.stop()
        self._store.damage.stop()
        with self._lock:
            worker = self._worker
        if worker is not None:
            worker.join()

    def _work(self) -> None:
        try:
            if not self._store.damage.is_checked:
                self._store.damage.check(large=True)
            while self._has_work():
                if (seconds := self._until_erasing()) > 0 and not self._live.needs_work:
                    self._wake.wait(seconds)
                    self._wake.clear()
                    continue
                with self._folder.lock() as locked:
                    if locked:
                        self._round()
                if not locked:
                    self._stop.wait(self.poll_seconds)
        except (MergeStopped, GalleryMoved):  # the next reader gets GalleryMoved too
            pass
        except (IndexFileError, GalleryError) as error:
            if self._stop.is_set():  # a check of the database was interrupted
                return
            logger.warning("the index is not saved, and the gallery goes on with what is in memory: %s", error)
        except Exception:
            logger.exception("the index could not be merged, and is searched as it is")
        finally:
            with self._lock:
                if self._worker is threading.current_thread():
                    self._worker = None

    def _has_work(self) -> bool:
        with self._lock:
            has_work = self._live.needs_work or self._live.removed_at is not None
            if has_work and not self._stop.is_set():
                return True
            self._worker = None  # under the lock, so that a later `start` makes another thread
            return False

    def _until_erasing(self) -> float:
        """Seconds until removed vectors should be erased: soon, but for at most a twentieth of the time."""
        removed_at = self._live.removed_at
        if removed_at is None:
            return 0.0
        return max(removed_at + self.erase_seconds, self._may_erase) - time.monotonic()

    def _round(self, *, all_threads: bool = False) -> bool:
        """Load what another process saved, compute stale scores, merge once, save. Whether anything was merged.

        It saves after each merge, not after the last, because a steady writer leaves no last one; and before the
        merge, because a process that is killed during it would otherwise merge more at every start.
        """
        with self._store.reading():  # raises GalleryMoved if the gallery has another model by now
            pass
        self._load_newer()
        self._save()
        self._live.recalibrate()
        if self._stop.is_set():
            raise MergeStopped
        start, erase = time.monotonic(), self._live.removed_at is not None and self._until_erasing() <= 0
        merged = self._live.merge(erase=erase, all_threads=all_threads)
        if merged:
            self._save()
        if erase:
            self._may_erase = time.monotonic() + ERASE_PAUSE * (time.monotonic() - start)
        return merged

    def _load_newer(self) -> None:
        """Adopt the index on disk if another process has saved a later one."""
        generation = self._folder.generation()
        if generation is None or generation <= self._live.synced.generation:
            return
        try:
            with self._store.reading() as view:
                synced = self._folder.load(view)
        except IndexFileError as error:
            logger.warning("the index that another process saved is not used: %s", error)
        else:
            self._live.adopt(synced)

    def _rebuild(self) -> None:
        with self._store.reading() as view:
            synced = self._folder.read_vectors(view)
            unusable = self._folder.has_index or view.trimmed > 0  # else every opening would warn
            synced = replace(synced, generation=self._folder.generation() or 0, unusable=unusable)
        if not synced.index.snapshot().is_delta_only:
            synced.index.merge(full=True, all_threads=True)
        self._live.adopt(synced)

    def _save(self) -> None:
        """Save the index, unless it is saved or so small that reading the database is as fast."""
        synced, snapshot = self._live.refreshed()
        generation = self._folder.generation()
        unneeded = snapshot.is_delta_only and not self._folder.has_index
        is_saved = generation == synced.change == synced.generation and snapshot.is_saved
        if not synced.change:
            return
        if synced.unusable or not (unneeded or is_saved):
            self._folder.save(synced, snapshot)
            self._live.mark_saved(synced)
            self._live.save_scores()
            self._trim_log(synced.change)
        self._live.mark_erased(synced, snapshot)

    def _trim_log(self, change: int) -> None:
        """Forget removals that both the index on disk and the scores in the store already reflect."""
        with self._store.reading() as view:
            scores = view.scores()
        self._store.trim(change if scores is None else min(change, scores.change))
