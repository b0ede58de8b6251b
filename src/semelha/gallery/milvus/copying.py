"""Copies a gallery to a Milvus server or from there: continued where it was cut off, and verified.

What a copy needs is written first, under names that hang on the state of the source alone, so that a copy that is
started again finds what is there already. The gallery exists at its new place only once all of it is written.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from semelha.embedders import Progress
from semelha.embedders.folder import copy_folder
from semelha.errors import GalleryError, UsageError
from semelha.files import file_lock, make_folder, rename, sync_tree, write_file
from semelha.gallery.folder import DATABASE, FORMAT, MODEL, GallerySettings, write_settings
from semelha.gallery.milvus.opening import NO_PICTURES
from semelha.gallery.milvus.state import LOCAL, Value, changesets, state_number
from semelha.gallery.opened import OpenedGallery
from semelha.store import View
from semelha.store.called_unknown import FILE
from semelha.store.database import connect, translating_errors
from semelha.store.milvus.address import MilvusAddress
from semelha.store.milvus.changeset import Changeset, tables_of
from semelha.store.milvus.client import EXAMPLES, Collection
from semelha.store.milvus.creation import check_metric, create_collection, create_gallery, read_settings
from semelha.store.milvus.numbers import FIRST
from semelha.store.milvus.unknown import SharedCalledUnknown
from semelha.store.milvus.values import PICTURE, StoredPictures, StoredVectors, is_picture, is_vector, vector_reference
from semelha.store.milvus.view import NORM, PICTURES, VECTORS

STATE = "copying.json"  # which state of the source a folder is a part of a copy of
ROWS = 2000
OF_COPIES = -1  # the place in the journal with which the vectors of a copy are marked: none has it


class Upload:
    """Writes the values of a copy to Milvus and to the place of its pictures, but for those that are there."""

    def __init__(
        self,
        collection: Collection,
        vectors: StoredVectors,
        pictures: StoredPictures | None,
        state: int,
        progress: Progress,
        total: int,
    ) -> None:
        self._collection = collection
        self._vectors = vectors
        self._pictures = pictures
        self._state = state
        self._progress = progress
        self._total = total
        self.first = FIRST + (state << 22)  # below 2^63
        self.done = 0
        self.norm = 0.0

    def changesets(self, view: View) -> Iterator[Changeset]:
        """Write the values of a view, and give the rest of it as changesets."""
        yield from changesets(view, self.replace)
        yield {"meta": {"put": [[NORM, json.dumps(self.norm)]], "drop": []}}

    def replace(self, kind: str, named: list[tuple[str, Value]]) -> list[Value]:
        """Write values, each with its name, and return references to them."""
        present = [(name, value) for name, value in named if value is not None]
        references = iter(self._written_vectors(present) if kind == "vector" else self._written_pictures(present))
        return [None if value is None else next(references) for _, value in named]

    def delete_others(self) -> None:
        """Delete what copies of other states have left, which were cut off or came late."""
        condition = f"slot == {OF_COPIES} and (id < {self.first} or id >= {self.first + self.done})"
        for rows in self._collection.iterate(condition, ["id"], EXAMPLES):
            self._collection.delete([row["id"] for row in rows], EXAMPLES)

    def _written_vectors(self, named: Sequence[tuple[str, bytes]]) -> list[bytes]:
        if not named:
            return []
        start = self.first + self.done
        numbers = list(range(start, start + len(named)))
        vectors = np.frombuffer(b"".join(value for _, value in named), "<f4").reshape(len(named), -1)
        there = self._collection.get(numbers, ["id"], EXAMPLES)
        missing = [place for place, number in enumerate(numbers) if number not in there]
        if missing:
            self._vectors.write_numbered([numbers[place] for place in missing], vectors[missing], OF_COPIES)
        self.norm = max(self.norm, self._vectors.norm([value for _, value in named]))
        self.done += len(named)
        self._progress(min(self.done, self._total), self._total)
        return [vector_reference(number) for number in numbers]

    def _written_pictures(self, named: Sequence[tuple[str, bytes]]) -> list[bytes]:
        references = []
        for name, value in named:
            if self._pictures is None:
                raise UsageError(NO_PICTURES)
            text = f"{self._state} {name} {hashlib.blake2b(value).hexdigest()}"
            references.append(PICTURE + hashlib.blake2b(text.encode(), digest_size=16).digest())
            if not self._pictures.has(references[-1]):
                self._pictures.write_as(references[-1], value)
        return references


def copy_to_milvus(
    source: OpenedGallery, view: View, address: MilvusAddress, pictures: str | None, progress: Progress
) -> None:
    """Copy a view of a gallery to a Milvus server, unless this state of it was copied there already.

    Raises `UsageError` if it has pictures and their place is missing, and `GalleryError` if there is another gallery.
    """
    if source.keep_pictures and not pictures:
        raise UsageError(NO_PICTURES)
    space = check_metric(source.model.metric)
    state = state_number(view, source.model.fingerprint)
    collection = Collection(address)
    try:
        stored_pictures = StoredPictures(str(pictures)) if source.keep_pictures else None
        if not create_collection(collection, space, source.model.dim, source.model.fingerprint):
            if read_settings(collection).copied != state:
                raise GalleryError(f"{address} exists already, and is no copy of this state: choose another place")
            return
        vectors = StoredVectors(collection, space)
        upload = Upload(collection, vectors, stored_pictures, state, progress, len(view))
        create_gallery(
            collection,
            source.model.fingerprint,
            source.model.folder,
            pictures="" if stored_pictures is None else stored_pictures.place,
            state=upload.changesets(view),
            copied=state,
        )
        # Only now: if another process had made a gallery there first, these rows would be its own.
        SharedCalledUnknown(collection).replace(source.store.called_unknown.read())
        upload.delete_others()
        collection.flush()
    finally:
        collection.close()


def copy_to_folder(source: OpenedGallery, view: View, folder: Path, progress: Progress) -> None:
    """Copy a view of a gallery on Milvus into a new folder. Raises `GalleryError` if it exists or cannot be written."""
    if folder.exists():
        raise GalleryError(f"{folder} exists already: choose another place")
    partial = folder.parent / f".{folder.name}-copying"
    try:
        make_folder(folder.parent)
        partial.mkdir(0o700, exist_ok=True)
        with file_lock(partial / "lock", wait=False, error=GalleryError) as locked:
            if not locked:
                raise GalleryError(f"{folder} is being copied by another process")
            _fill(source, view, partial, progress)
            (partial / STATE).unlink()
        (partial / "lock").unlink(missing_ok=True)
        sync_tree(partial)
        rename(partial, folder)
    except OSError as error:
        raise GalleryError(f"{folder} cannot be written: {error.strerror or error}") from error


def _fill(source: OpenedGallery, view: View, partial: Path, progress: Progress) -> None:
    state = json.dumps(state_number(view, source.model.fingerprint))
    record = partial / STATE
    if not record.exists() or record.read_text() != state:
        for path in partial.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()
        copy_folder(source.model.folder, partial / MODEL)
        write_settings(partial, GallerySettings(FORMAT, source.keep_pictures, source.model.fingerprint))
        write_file(partial / FILE, [source.store.called_unknown.read().astype("<u8").tobytes()], private=True)
        with translating_errors(partial / DATABASE, "written"):
            db = connect(partial / DATABASE, "rwc")
            try:
                view._db.backup(db)
                for name in LOCAL:
                    db.execute(f"DROP TABLE {name}")
                db.execute("DROP INDEX vectors_by_data")
                db.execute("DROP INDEX pictures_by_data")
                db.execute("DELETE FROM meta WHERE key = ?", (NORM,))
            finally:
                db.close()
        write_file(record, [state])
    with translating_errors(partial / DATABASE, "written"):
        db = connect(partial / DATABASE)
        try:
            _fill_in(db, view, progress)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            db.close()


def _fill_in(db: sqlite3.Connection, view: View, progress: Progress) -> None:
    """Replace the references of a database by what they refer to, some in a transaction."""
    tables, total = tables_of(db), len(view)
    for columns, is_kept in ((VECTORS, is_vector), (PICTURES, is_picture)):
        for name, column in columns.items():
            table = tables[name]
            keys = ", ".join(table.key)
            found = db.execute(f"SELECT {column}, {keys} FROM {name} WHERE length({column}) IN (9, 17)").fetchall()
            rows = [row for row in found if is_kept(row[0])]
            for start in range(0, len(rows), ROWS):
                some = rows[start : start + ROWS]
                values = [row[0] for row in some]
                plain = view._resolved(values) if columns is VECTORS else [view._file(one) for one in values]
                db.execute("BEGIN IMMEDIATE")
                db.executemany(
                    f"UPDATE {name} SET {column} = ? WHERE {table.same}",
                    [(value, *row[1:]) for value, row in zip(plain, some, strict=True)],
                )
                db.execute("COMMIT")
                if name == "vectors":
                    progress(min(total, total - len(rows) + start + len(some)), total)
