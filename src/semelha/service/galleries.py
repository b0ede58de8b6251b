"""The galleries that a server answers for, by name, each with its batches."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from semelha.errors import GalleryMoved, SemelhaError, UsageError
from semelha.gallery import Gallery, gallery_name
from semelha.processors import processors
from semelha.service import batching
from semelha.service.batching import Batcher
from semelha.service.jobs import forget_gone, forget_results, named_subjects
from semelha.service.metrics import Metrics
from semelha.service.problems import Problem
from semelha.service.reviewing import ReviewKeeper
from semelha.service.settings import Settings
from semelha.service.state import State
from semelha.untrusted import checked_name, normalized_name

logger = logging.getLogger(__name__)

WATCH_SECONDS = 5.0


def _opened(path: Path) -> Gallery:
    """A gallery whose embedder leaves processors to the other batches."""
    return Gallery(path, threads=max(1, processors() // batching.THREADS))


class Served:
    """A gallery that is served.

    It is opened again when its folder was replaced or moved to another model while it was open.
    """

    def __init__(self, name: str, path: Path, settings: Settings, metrics: Metrics, state: State) -> None:
        self.name = name
        self._state = state
        self.gallery = _opened(path)
        self._keeper = None
        if settings.keep_reviews:
            self._keeper = ReviewKeeper(lambda: self.gallery, settings.max_reviews, metrics)
        self.batcher = Batcher(lambda: self.gallery, settings, metrics, self._keeper)
        self._lock = threading.Lock()
        self._followed: object = None

    @property
    def tag(self) -> str:
        """A text that is another one after every change of the gallery."""
        return self.tag_of(self.gallery.revision)

    def tag_of(self, revision: int) -> str:
        """The `tag` of a revision of the gallery."""
        return f"{self.gallery.model.fingerprint[:12]}-{revision}"

    @property
    def reviews_tag(self) -> str:
        """A text that is another one after every change of the gallery or of its reviews."""
        last, count = self.gallery.review_state()
        return f"{self.tag}-{last}-{count}"

    def forget_subject(self, name: str | None) -> None:
        """Delete the name of a subject that was removed or renamed from the state of the server; None: of all subjects.

        Results of jobs that have it are deleted.
        """
        gone = name if name is None else normalized_name(name)
        with self._state.transaction(durable=True) as db:
            db.execute("DELETE FROM empty_subjects WHERE gallery = ? AND name = ifnull(?, name)", (self.name, gone))
            forget_results(db, self.name, gone)
        self._state.erase()

    def follow(self) -> bool:
        """Delete from the state what names a subject that another process has removed or renamed.

        Returns whether anything has changed since the last call. Raises the errors of `Gallery`.
        """
        gallery = self.gallery
        named = named_subjects(self._state, self.name)
        seen = gallery.revision, frozenset(named)
        if seen == self._followed:
            return False
        forget_gone(self._state, named, gallery)
        empty = self._state.rows("SELECT name FROM empty_subjects WHERE gallery = ?", self.name)
        if enrolled := [(self.name, name) for (name,) in empty if name in gallery]:
            with self._state.transaction() as db:
                db.executemany("DELETE FROM empty_subjects WHERE gallery = ? AND name = ?", enrolled)
            self._state.erase()
        self._followed = seen
        return True

    def reopen(self) -> None:
        """Open the folder again, if it cannot be used as it was opened. Raises `SemelhaError` if that fails."""
        with self._lock:
            try:
                _ = self.gallery.revision
            except GalleryMoved:
                self.gallery = _opened(self.gallery.path)  # the former one closes when no call uses it any more
                logger.warning("the gallery %s was replaced, and is opened again", self.name)

    def close(self) -> None:
        """Finish what was accepted, and close the gallery."""
        self.batcher.close()
        if self._keeper is not None:
            self._keeper.close()
        try:
            self.gallery.close()
        except SemelhaError as error:
            logger.warning("the gallery %s is closed with an error: %s", self.name, error)


class Galleries:
    """The galleries of a server; the first one answers where no name is given.

    Raises `UsageError` if there is none or two have one name, and the errors of `Gallery`.
    """

    def __init__(self, settings: Settings, metrics: Metrics, state: State) -> None:
        names = [checked_name(gallery_name(path), error=UsageError) for path in settings.galleries]
        if not names:
            raise UsageError("no gallery is named: semelha serve GALLERY")
        if len(set(names)) < len(names):
            raise UsageError(f"two galleries have one name ({', '.join(names)}): rename one")
        self._served: dict[str, Served] = {}
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)
        try:
            for name, path in zip(names, settings.galleries, strict=True):
                self._served[name] = Served(name, path, settings, metrics, state)
        except BaseException:
            self.close()
            raise

    def get(self, name: str | None) -> Served:
        """A gallery by its name, or the first one. Raises `Problem` (404)."""
        if name is None:
            return next(iter(self._served.values()))
        if name not in self._served:
            raise Problem(404, "gallery-not-found", "the server has no gallery of that name")
        return self._served[name]

    def all(self) -> Sequence[Served]:
        """All galleries, in the order in which they were named."""
        return list(self._served.values())

    def reopen(self) -> None:
        """Open those again that were replaced."""
        for served in self.all():
            try:
                served.reopen()
            except SemelhaError as error:
                logger.error("the gallery %s cannot be opened again: %s", served.name, error)

    def watch(self) -> None:
        """Follow what other processes change, until `close`: the index too, from which what they remove is erased."""
        self._watcher.start()

    def _watch(self) -> None:
        while not self._closing.wait(WATCH_SECONDS):
            for served in self.all():
                try:
                    if served.follow():
                        served.gallery.index_stats()  # reads it
                except GalleryMoved:
                    self.reopen()
                except SemelhaError as error:  # `readyz` and every request report it
                    logger.debug("the gallery %s cannot be followed: %s", served.name, error)

    def close(self) -> None:
        """Close all, after what was accepted is finished."""
        self._closing.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for served in self._served.values():
            served.close()
