"""The index of a gallery is merged and kept on the disk, away from who asks and who enrolls."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

from semelha.errors import GalleryError, GalleryMoved, IndexFileError
from semelha.gallery.segments import Segments
from semelha.gallery.state import Memory
from semelha.index.segmented import Stopped
from semelha.store import Store

PATIENCE = 1.0  # seconds after which it is seen again whether another process is done

logger = logging.getLogger(__name__)


class Upkeep:
    """Merges and saves, in a thread that runs while there is something to do, in one process of all at a time.

    Parameters
    ----------
    memory : Memory
        Whose index it is.
    store : Store
    segments : Segments
        Where it is kept.
    """

    def __init__(self, memory: Memory, store: Store, segments: Segments) -> None:
        self._memory = memory
        self._store = store
        self._segments = segments
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._worker: threading.Thread | None = None

    def soon(self) -> None:
        """Do in the background what there is to do."""
        with self._lock:
            if self._worker is None and not self._stop.is_set():
                self._worker = threading.Thread(target=self._work, name="semelha-upkeep", daemon=True)
                self._worker.start()

    def settle(self, *, rebuild: bool = False) -> None:
        """Merge and save now what is held now, whoever writes meanwhile; waits for who does so already.

        With `rebuild` the index is made anew, of one segment.

        Raises
        ------
        IndexFileError
            It cannot be saved.
        GalleryError
        """
        try:
            with self._segments.alone(wait=True):
                if rebuild:
                    self._rebuild()
                with self._memory.now(ruled=False):
                    pass
                _, held = self._memory.merged()
                for _ in range(len(held.parts) + 1):  # what others write meanwhile waits for the background
                    if not self._round(hurry=True):
                        break
        except Stopped as error:
            raise GalleryError("the gallery was closed before its index was merged") from error

    def close(self) -> None:
        """End what goes on in the background, and wait until it has ended, which takes seconds at most."""
        self._stop.set()
        self._memory.stop_merging()
        with self._lock:
            worker = self._worker
        if worker is not None:
            worker.join()

    def _work(self) -> None:
        try:
            while self._wanted():
                with self._segments.alone() as ours:
                    if ours:
                        self._round()
                if not ours:
                    self._stop.wait(PATIENCE)
        except (Stopped, GalleryMoved):  # of the latter whoever asks next is told
            pass
        except (IndexFileError, GalleryError) as error:
            logger.warning("the index is not saved, and the gallery goes on with what is in memory: %s", error)
        except Exception:
            logger.exception("the index could not be merged, and is searched as it is")
        finally:
            with self._lock:
                if self._worker is threading.current_thread():
                    self._worker = None

    def _wanted(self) -> bool:
        with self._lock:
            if self._memory.wants_upkeep and not self._stop.is_set():
                return True
            self._worker = None  # under the lock: who comes later starts another
            return False

    def _round(self, *, hurry: bool = False) -> bool:
        """Take over what another process has saved, calibrate, merge once, save. Whether there was something to merge.

        Saved after each merge, not after the last, for who writes without a pause leaves none; and before, for a merge
        takes long, and who is killed in it would find as much to merge again, and more, at every start.
        """
        with self._store.reading():  # raises where the index is of a model that the gallery has no more
            pass
        self._take_over()
        self._save()
        self._memory.recalibrate()
        if self._stop.is_set():
            raise Stopped
        some = self._memory.merge(hurry=hurry)
        if some:
            self._save()
        return some

    def _take_over(self) -> None:
        generation = self._segments.generation()
        if generation is None or generation <= self._memory.followed.generation:
            return
        try:
            with self._store.reading() as view:
                followed = self._segments.loaded(view)
        except IndexFileError as error:
            logger.warning("what another process saved of the index is not used: %s", error)
        else:
            self._memory.adopt(followed)

    def _rebuild(self) -> None:
        with self._store.reading() as view:
            followed = self._segments.read(view)
            refused = self._segments.exist or view.trimmed > 0  # as where it is opened: else it warns every time
            followed = replace(followed, generation=self._segments.generation() or 0, refused=refused)
        if not followed.index.snapshot().small:
            followed.index.merge(whole=True, hurry=True)
        self._memory.adopt(followed)

    def _save(self) -> None:
        """Save, unless everything is on the disk, or so little that it is read from the database as quickly."""
        followed, snapshot = self._memory.merged()
        generation = self._segments.generation()
        unneeded = snapshot.small and not self._segments.exist
        done = generation == followed.change == followed.generation and snapshot.saved
        if not followed.change or ((unneeded or done) and not followed.refused):
            return
        self._segments.save(followed, snapshot)
        self._memory.saved(followed)
        self._memory.keep_scores()
        self._trim(followed.change)

    def _trim(self, change: int) -> None:
        """Forget the removals that neither the index on the disk nor the scores in the store still have to learn of."""
        with self._store.reading() as view:
            scores = view.scores()
        self._store.trim(change if scores is None else min(change, scores.change))
