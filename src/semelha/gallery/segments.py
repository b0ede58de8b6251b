"""The index of a gallery: how it follows the database, and how it is kept in the gallery's folder.

What is on the disk stands for one change of the database, its generation. Who opens the gallery reads it and adds what
changed since. It is derived: whatever is wrong with it, the vectors in the database are the truth.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from semelha.embedders import Model
from semelha.errors import IndexFileError
from semelha.index import AutoIndex, Snapshot
from semelha.index.files import MANIFEST, generation_on_disk, recall_on_disk
from semelha.store import View

RECALL = 0.99
COMPARED = 16  # vectors of each segment that are compared with the database

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Followed:
    """An index that holds what the database does at one change.

    Attributes
    ----------
    index : AutoIndex
    change : int
        0 where nothing was read yet.
    generation : int
        Change of the snapshot on the disk that was last looked at.
    refused : bool
        What is on the disk cannot be used, and is to be replaced.
    """

    index: AutoIndex
    change: int = 0
    generation: int = 0
    refused: bool = False

    def to(self, view: View) -> Followed:
        """The same index, brought to the change of a view that its own is not after.

        Raises
        ------
        ValueError, KeyError
            The index is not of this database, or the log of removed examples does not reach back to its change.
        """
        gone = view.removed_since(self.change)
        ids, vectors = view.added_since(self.change)
        if len(gone):
            self.index.remove(gone)
        if len(ids):
            self.index.add(ids, vectors)
        return replace(self, change=view.change)


@dataclass(frozen=True)
class Segments:
    """Where the index of a gallery is kept, and what for.

    Attributes
    ----------
    gallery : Path
    model : Model
    recall : float, optional
        That the index keeps, 1 for all neighbors always; by default what the one on the disk was made for.
    threads : int, optional
    otherwise : float
        The recall where none is given, and no index is on the disk.
    """

    gallery: Path
    model: Model
    recall: float | None = None
    threads: int | None = None
    otherwise: float = RECALL

    @property
    def folder(self) -> Path:
        """Of the files of the segments."""
        return self.gallery / "index"

    @property
    def exist(self) -> bool:
        """Whether there is an index on the disk, be it of use or not."""
        return (self.folder / MANIFEST).exists()

    def empty(self) -> AutoIndex:
        """An index of nothing. Raises `UsageError` for a recall or a number of threads that cannot be."""
        recall = self.recall if self.recall is not None else recall_on_disk(self.folder) or self.otherwise
        return AutoIndex(self.model.metric, recall=recall, threads=self.threads, background=False)

    def opened(self, view: View) -> Followed:
        """An index of the moment of a view: from the disk, or where that cannot be, of the vectors in the database."""
        try:
            return self.loaded(view)
        except IndexFileError as error:
            # The log is trimmed when an index is saved: before, there is none to be missed.
            refused = view.trimmed > 0 or self.exist
            if refused:
                logger.warning("the index is made anew from the vectors: %s", error)
        return replace(self.read(view), generation=self.generation() or 0, refused=refused)

    def read(self, view: View) -> Followed:
        """An index of the vectors in the database, which are scanned until they are merged."""
        index = self.empty()
        index.add(*view.added_since(0))
        return Followed(index, view.change)

    def loaded(self, view: View) -> Followed:
        """The index on the disk, brought to the change of a view, which becomes a later one where the disk is ahead.

        Raises
        ------
        IndexFileError
            There is none that can be used, or it is not of this database.
        """
        index = self.empty()
        generation = index.load(self.folder, fingerprint=self.model.fingerprint)
        if generation > view.change:
            view.renew()
        if generation > view.change:
            raise IndexFileError(f"{self.folder} is of the change {generation}, and the database of {view.change}")
        try:
            followed = Followed(index, generation, generation).to(view)
        except (ValueError, KeyError) as error:
            raise IndexFileError(f"{self.folder} cannot be brought to the present: {error}") from error
        if not _agree(index.snapshot(), view):
            raise IndexFileError(f"{self.folder} holds other vectors than the database")
        return followed

    def generation(self) -> int | None:
        """Of what is on the disk; None where there is nothing that can be read."""
        return generation_on_disk(self.folder)

    def save(self, followed: Followed, snapshot: Snapshot) -> None:
        """Keep a snapshot that the index is, or was, at the change. Raises `IndexFileError`."""
        followed.index.save(
            self.folder, generation=followed.change, fingerprint=self.model.fingerprint, snapshot=snapshot
        )

    @contextmanager
    def alone(self, *, wait: bool = False) -> Iterator[bool]:
        """Whether this thread is the one that may merge and save, among all of all processes, until the block ends.

        Raises
        ------
        IndexFileError
            The file that is locked for it cannot be made.
        """
        path = self.gallery / "index.lock"
        lock = FileLock(path, timeout=-1 if wait else 0)
        try:
            lock.acquire()
        except Timeout:
            pass
        except OSError as error:
            raise IndexFileError(f"{path} cannot be locked: {error.strerror or error}") from error
        try:
            yield lock.is_locked
        finally:
            lock.release()


def _agree(index: Snapshot, view: View) -> bool:
    """Whether the index is of this database, and not of one that an older copy has taken the place of.

    What was enrolled after the copy was made is seen by the last vectors of the segments; each file has checksums.
    """
    some = index.some(COMPARED)
    true = view.vectors(some)
    return len(index) == len(view) and all(
        example in true and np.array_equal(vector, true[example]) for example, vector in some.items()
    )
