"""The index of a gallery on disk: saved segments, and how an index is synchronized with the database.

The index on disk belongs to one change of the database, its generation. Opening a gallery reads it and applies the
later changes. It is derived data: if anything is wrong with it, it is built anew from the vectors in the database.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from semelha.embedders import Model
from semelha.errors import IndexFileError
from semelha.files import file_lock
from semelha.index import AutoIndex, Snapshot
from semelha.index.folder import MANIFEST, generation_on_disk, recall_on_disk
from semelha.store import View

RECALL = 0.99
SAMPLED = 16  # vectors of each segment that are compared with the database

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SyncedIndex:
    """An index with the same examples as the database at one change."""

    index: AutoIndex
    change: int = 0  # 0 before anything was read
    generation: int = 0  # change of the index on disk that was last read or written
    unusable: bool = False  # the index on disk cannot be used and must be replaced

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
        return replace(self, change=view.change)


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

    def empty_index(self) -> AutoIndex:
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
        if generation > view.change:
            raise IndexFileError(f"{self.folder} is of the change {generation}, and the database of {view.change}")
        try:
            synced = SyncedIndex(index, generation, generation).synchronized(view)
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
