"""A gallery's folder while it is open: what keeps it in memory, brings it up to date, and lets go of it."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from semelha.embedders import Model, load_embedder
from semelha.gallery.folder import make_folder, open_folder, read_settings
from semelha.gallery.segments import RECALL, Segments
from semelha.gallery.state import Memory
from semelha.gallery.upkeep import Upkeep
from semelha.store import Store


class Opened:
    """A gallery as far as it is opened, kept and closed: the ground on which `Gallery` stands."""

    def __init__(
        self, path: Path, model: Model, store: Store, *, keep_pictures: bool, segments: Segments | None = None
    ) -> None:
        self.path = path
        self.model = model
        self.keep_pictures = keep_pictures
        self._store = store
        segments = segments or Segments(path, model)
        self._memory = Memory(store, model, segments)
        self._upkeep = Upkeep(self._memory, store, segments)
        self._memory.on_upkeep = self._upkeep.soon

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        model: Model | str | os.PathLike[str],
        *,
        keep_pictures: bool = True,
        recall: float | None = None,
        threads: int | None = None,
    ) -> Self:
        """Make an empty gallery with a copy of the model.

        Parameters
        ----------
        path : path
            Must not exist.
        model : Model or path
        keep_pictures : bool
            Keep a small re-encoded copy of every enrolled picture.
        recall : float, optional
            As for `open`, here and whenever none is given there; by default 0.99.
        threads : int, optional
            As for `open`, here.

        Raises
        ------
        GalleryError
            The folder exists or cannot be written.
        ModelError
        UsageError
            There is no such recall or number of threads.
        """
        embedder = model if isinstance(model, Model) else load_embedder(model)
        Segments(Path(path), embedder, recall, threads).empty()
        make_folder(Path(path), embedder, keep_pictures=keep_pictures, recall=RECALL if recall is None else recall)
        return cls.open(path, threads=threads)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, recall: float | None = None, threads: int | None = None) -> Self:
        """Open a gallery.

        Parameters
        ----------
        path : path
        recall : float, optional
            Part of the ten nearest examples that a search finds at least, on average, where it is large and does not
            compare with all; 1 for all always, which takes longer. By default what its index was made for, or else the
            gallery. Another recall than that makes the index anew, for this and for all that open it later.
        threads : int, optional
            That search and merge at a time, for all callers together; by default one for each processor.

        Raises
        ------
        GalleryError, GalleryTooNew
            There is none, it is damaged, or of a newer semelha.
        FingerprintMismatch
            The model in it is not the one it was made with.
        ModelError
        UsageError
            There is no such recall or number of threads.
        """
        folder = Path(path)
        settings = read_settings(folder)
        model, store = open_folder(folder, settings)
        segments = Segments(folder, model, recall, threads, settings.recall)
        try:
            segments.empty()
        except BaseException:
            store.close()
            raise
        return cls(folder, model, store, keep_pictures=settings.keep_pictures, segments=segments)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database; a merge in the background is ended, and done another time."""
        self._upkeep.close()
        self._memory.keep_scores()
        self._store.close()

    def settle(self, *, rebuild: bool = False) -> None:
        """Bring the index up to date on the disk, and wait until it is: then the gallery opens at once.

        It is merged and saved in the background anyway, while the gallery is open; call this at the end of a program
        that has enrolled much. A gallery of a few thousand examples has no index on the disk and needs none.

        Parameters
        ----------
        rebuild : bool
            Make it anew from the vectors, all of it in one segment.

        Raises
        ------
        IndexFileError
            It cannot be written.
        GalleryError
            The database cannot be read, or the gallery was closed meanwhile.
        """
        self._upkeep.settle(rebuild=rebuild)

    def index_stats(self) -> dict[str, object]:
        """How the examples are searched: `AutoIndex.stats`, with the recall that is wanted and the change on the disk.

        Of each segment: its kind and why it is of it, vectors, bytes, and where it is approximate the recall that was
        measured. Its state is "made", "waiting" to be merged, or "open" for the few that are added.
        """
        with self._memory.now(ruled=False) as state:
            return {**self._memory.stats(), "change": state.view.change}
