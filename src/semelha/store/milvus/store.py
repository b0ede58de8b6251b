"""`MilvusStore`: the subjects and examples of a gallery on a Milvus server, by the statements of `Store`.

This process has the database in a temporary folder, and brings it up to date with the journal before every view and
every transaction. A transaction is committed once its changes are the next place of the journal; if another process was
first, it is made again on top of that. So changes have one order in all processes, and each is seen whole or not at
all.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from semelha.errors import GalleryError, SemelhaError
from semelha.store.database import check_model, hash_basis_of, meta_of, set_meta, translating_errors
from semelha.store.milvus.changeset import ChangeLog, encode, whole
from semelha.store.milvus.client import EXAMPLES, Collection
from semelha.store.milvus.journal import Compacted, Entry, Journal, Overtaken
from semelha.store.milvus.unknown import SharedCalledUnknown
from semelha.store.milvus.values import (
    StoredPictures,
    StoredVectors,
    is_picture,
    is_vector,
    number_in,
    vector_reference,
)
from semelha.store.milvus.view import NORM, PICTURES, VECTORS, MilvusView
from semelha.store.readers import Readers
from semelha.store.store import Store
from semelha.store.view import View

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MOST_PLACES = 500  # of the journal between the writing of a value and its commit
NOWHERE = -1.0
SMALL_JOURNAL = 1 << 20  # characters of changes that are not compacted
_TABLES = """
CREATE TABLE IF NOT EXISTS unreferenced (reference TEXT PRIMARY KEY, time REAL NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS vectors_by_data ON vectors (data);
CREATE INDEX IF NOT EXISTS pictures_by_data ON pictures (data);
"""


class MilvusStore(Store):
    """See the module. `address` names the gallery in errors.

    Raises `GalleryUnavailable` by every method if the server cannot be reached.
    """

    erase_seconds: ClassVar[float] = 10.0  # from a removal until what was removed is deleted everywhere

    def __init__(
        self, collection: Collection, vectors: StoredVectors, pictures: StoredPictures | None, model: str
    ) -> None:
        self.address = str(collection.address)
        self.folder = Path(tempfile.mkdtemp(prefix="semelha-milvus-"))
        self.folders = [self.folder]  # that are deleted when it is closed, or the interpreter ends
        self._delete_folders = weakref.finalize(self, _delete, self.folders)
        self.vectors = vectors
        self.pictures = pictures
        self._collection = collection
        self._journal = Journal(collection)
        self._is_closed = False
        self._written: dict[tuple[bytes, int], bytes] = {}  # references to values of the transaction that is made
        self._written_at = 0  # the place in the journal when the first of them was written
        self._used: set[bytes] = set()  # those that the last attempt refers to
        self._removed = NOWHERE  # the last place by which this process removed something that is not deleted yet
        self._timer: threading.Timer | None = None
        try:
            super().__init__(self.folder / "gallery.sqlite", model)
            self._db.execute("PRAGMA synchronous = OFF")  # it is made anew from the journal
            self._db.executescript(_TABLES)
            self._change_log = ChangeLog(self._db)
            self._note_dropped()
            make_view = partial(MilvusView, vectors=vectors, pictures=pictures)
            self._readers = Readers(self.path, self.model, self._file, "rw", lambda: True, make_view)
            self.called_unknown = SharedCalledUnknown(collection)
            with self._lock:
                self._pull()
            self.hash_basis = hash_basis_of(self._db)
        except BaseException:
            self._delete_folders()
            raise

    def close(self) -> None:
        """Delete what was removed, and close the connection."""
        with self._lock:
            if self._is_closed:
                return
            if self._timer is not None:
                self._timer.cancel()
            try:
                self.tidy(0.0)
            except SemelhaError as error:
                logger.warning("what was removed from %s is deleted when it is changed again: %s", self.address, error)
            self._is_closed = True
            super().close()
            self._collection.close()
            self._delete_folders()

    def reading(self) -> AbstractContextManager[View]:
        self._check_open()
        if self._journal.news() != []:
            with self._lock:
                self._pull()
        return super().reading()

    def tidy(self, grace: float) -> None:
        """Delete values that nothing refers to for `grace` seconds, and compact the journal if that is worth it."""
        with self._lock:
            self._check_open()
            self._delete_unreferenced(time.time() - grace)
            removed = self._removed
            if removed > NOWHERE or self._is_long():
                self._journal.find_state()  # another process may have written one
            is_long = self._is_long()
            if is_long or removed > self._journal.state_slot:
                self.compact()
            elif removed > NOWHERE:
                self._journal.trim()
            self._removed = NOWHERE
            if is_long:
                self._delete_orphans()

    def compact(self) -> None:
        """Write the whole state beside the journal, and delete the places in it, with what was removed since."""
        with self._lock:
            self._pull()
            self._journal.write_state(map(encode, whole(self._db)))
            self._journal.trim()
            self._removed = NOWHERE

    def _is_long(self, times: int = 1) -> bool:
        """Whether the changes since the last state are longer than it."""
        return self._journal.size > times * max(SMALL_JOURNAL, self._journal.state_size)

    @contextmanager
    def _writing(self, *, erases: bool = False) -> Iterator[None]:
        self._check_open()
        with self._lock, translating_errors(self.path, "written"):
            self._pull()
            self._db.execute("BEGIN IMMEDIATE")
            try:
                check_model(self._db, self.model, self.path)
                yield
                self._keep_values()
                changes = self._change_log.changeset()
                erases |= self._db.execute("SELECT 1 FROM temp.dropped LIMIT 1").fetchone() is not None
                before, self._removed = self._removed, math.inf if erases else self._removed
                self._commit([self._journal.change(changes)] if changes else [])
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._change_log.forget()
            self._db.execute("DELETE FROM temp.dropped")
            self._removed = self._journal.slot if erases else before  # after an error it is unknown
            self._checkpoint()
        if erases or self._is_long(2):
            self._tidy_later()

    def _repeated(self, write: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
        """Make a transaction, again whenever another process was first."""
        with self._lock:
            self._written.clear()
            self._used.clear()
            while True:
                try:
                    done = write(self, *arguments, **options)
                    break
                except Overtaken:
                    self._used.clear()
            # After any other error the change may have been made, or be completed by another process.
            self._delete_values(set(self._written.values()) - self._used)
            return done

    def _pull(self) -> None:
        """Bring the database up to date with the journal."""
        loaded = None
        while (news := self._journal.news()) != []:
            try:
                if news is None:
                    if (latest := self._journal.latest()) == loaded:
                        raise GalleryError(f"the gallery {self.address} is damaged: rows of its journal are missing")
                    loaded = latest
                    self._load(*latest)
                else:
                    self._apply(news)
            except Compacted:
                self._journal.slot = -1

    def _apply(self, news: list[tuple[int, Entry]]) -> None:
        """Apply the places that follow. Raises `Compacted`."""
        with self._applying(news):
            for _, place in news:
                if place.kind == "change":
                    for changes in self._journal.changesets(place):
                        self._change_log.apply(changes)

    def _load(self, slot: int, place: Entry) -> None:
        """Replace the database by a state. Raises `Compacted`."""
        with self._applying([(slot, place)]):
            self._change_log.clear()
            for changes in self._journal.changesets(place):
                self._change_log.apply(changes)

    @contextmanager
    def _applying(self, places: list[tuple[int, Entry]]) -> Iterator[None]:
        """A transaction in which rows are replaced as they are, without what hangs on them."""
        with translating_errors(self.path, "written"):
            self._db.execute("PRAGMA foreign_keys = OFF")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("DELETE FROM temp.dropped")
                self._commit(places)
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._db.execute("PRAGMA foreign_keys = ON")

    def _commit(self, places: list[tuple[int, Entry]]) -> None:
        """Commit the transaction, by which the database has these places of the journal."""
        try:
            self._db.execute("COMMIT")
            for slot, place in places:
                self._journal.applied(slot, place)
        except BaseException:
            self._journal.slot = -1  # whether the database has them is unknown: it is loaded again
            raise

    def _note_dropped(self) -> None:
        """Note values, and names, that a transaction deletes or replaces."""
        self._db.execute("CREATE TEMP TABLE dropped (value BLOB)")
        self._db.execute(
            "CREATE TEMP TRIGGER dropped_name AFTER UPDATE OF name ON main.subjects"
            " BEGIN INSERT INTO dropped VALUES (OLD.name); END"
        )
        for columns in (VECTORS, PICTURES):
            for table, column in columns.items():
                for event in ("DELETE", f"UPDATE OF {column}"):
                    self._db.execute(
                        f"CREATE TEMP TRIGGER dropped_{table}_{column}_{event[:6]} AFTER {event} ON main.{table}"
                        f" WHEN OLD.{column} IS NOT NULL"
                        f" BEGIN INSERT INTO dropped VALUES (OLD.{column}); END"
                    )

    def _keep_values(self) -> None:
        """Write new vectors and pictures to where they are kept, and note those that nothing refers to any more."""
        for columns, is_kept in ((VECTORS, is_vector), (PICTURES, is_picture)):
            found = []
            for table, column in columns.items():
                of = self._change_log.tables[table]
                for key in self._change_log.changed(table):
                    row = self._db.execute(f"SELECT {column} FROM {table} WHERE {of.same}", key).fetchone()
                    if row is not None and row[0] is not None and not is_kept(row[0]):
                        found.append((f"UPDATE {table} SET {column} = ? WHERE {of.same}", key, row[0]))
            references = self._references([value for *_, value in found], is_vectors=columns is VECTORS)
            for (statement, key, _), reference in zip(found, references, strict=True):
                self._db.execute(statement, (reference, *key))
        dropped = {value for (value,) in self._db.execute("SELECT value FROM temp.dropped") if isinstance(value, bytes)}
        for value in dropped:
            columns = VECTORS if is_vector(value) else PICTURES if is_picture(value) else {}
            if columns and not any(
                self._db.execute(f"SELECT 1 FROM {table} WHERE {column} = ? LIMIT 1", (value,)).fetchone()
                for table, column in columns.items()
            ):
                self._db.execute("INSERT OR IGNORE INTO unreferenced VALUES (?, ?)", (value.hex(), time.time()))

    def _references(self, values: Sequence[bytes], *, is_vectors: bool) -> list[bytes]:
        """References to values, which are written unless they were in an earlier attempt of this transaction."""
        seen: dict[bytes, int] = {}
        keys = []
        for value in values:
            keys.append((value, seen.get(value, 0)))
            seen[value] = seen.get(value, 0) + 1
        if self._journal.slot > self._written_at + MOST_PLACES:  # `_delete_orphans` may take them for left behind
            self._delete_values(self._written.values())
            self._written.clear()
        if not self._written:
            self._written_at = self._journal.slot
        new = [key for key in keys if key not in self._written]
        if new and not is_vectors and self.pictures is None:
            raise GalleryError(f"the gallery {self.address} keeps no pictures")
        if new:
            blobs = [value for value, _ in new]
            slot = self._journal.slot
            written = self.vectors.write(blobs, slot) if is_vectors else self._written_pictures(blobs)
            self._written |= zip(new, written, strict=True)
        if values and is_vectors:
            norm = self.vectors.norm(values)
            if norm > float(meta_of(self._db, NORM) or 0.0):
                set_meta(self._db, NORM, json.dumps(norm))
        references = [self._written[key] for key in keys]
        self._used.update(references)
        return references

    def _written_pictures(self, blobs: Sequence[bytes]) -> list[bytes]:
        assert self.pictures is not None
        return self.pictures.write(blobs)

    def _delete_unreferenced(self, before: float) -> None:
        rows = self._db.execute("SELECT reference FROM unreferenced WHERE time <= ?", (before,)).fetchall()
        references = [bytes.fromhex(reference) for (reference,) in rows]
        if not references:
            return
        self._delete_values(references)
        self._repeated(MilvusStore._forget_unreferenced, rows)

    def _delete_values(self, references: Iterable[bytes]) -> None:
        found = list(references)
        self.vectors.delete([number_in(one) for one in found if is_vector(one)])
        if self.pictures is not None:
            self.pictures.delete(one for one in found if is_picture(one))

    def _delete_orphans(self) -> None:
        """Delete vectors that processes wrote and did not commit, because they were killed."""
        condition = f"slot < {self._journal.slot - 2 * MOST_PLACES}"
        for rows in self._collection.iterate(condition, ["id"], EXAMPLES):
            numbers = [row["id"] for row in rows]
            known = set()
            for table, column in VECTORS.items():
                statement = f"SELECT 1 FROM {table} WHERE {column} = ?"
                known |= {one for one in numbers if self._db.execute(statement, (vector_reference(one),)).fetchone()}
            listed = {reference for (reference,) in self._db.execute("SELECT reference FROM unreferenced")}
            gone = [one for one in numbers if one not in known and vector_reference(one).hex() not in listed]
            self._collection.delete(gone, EXAMPLES)

    def _forget_unreferenced(self, rows: list[tuple[str]]) -> None:
        with self._writing():
            self._db.executemany("DELETE FROM unreferenced WHERE reference = ?", rows)

    def _tidy_later(self) -> None:
        if self._timer is None and not self._is_closed:
            self._timer = threading.Timer(self.erase_seconds, self._tidy_now)
            self._timer.daemon = True
            self._timer.start()

    def _tidy_now(self) -> None:
        self._timer = None
        try:
            self.tidy(self.erase_seconds / 2)
        except SemelhaError as error:
            if not self._is_closed:
                logger.warning("what was removed from %s is deleted later: %s", self.address, error)

    def _check_open(self) -> None:
        if self._is_closed:
            raise GalleryError(f"the gallery {self.address} is closed")


def _delete(folders: list[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _repeating(write: Callable[..., Result]) -> Callable[..., Result]:
    @wraps(write)
    def repeated(self: MilvusStore, *arguments: Any, **options: Any) -> Result:
        return self._repeated(write, *arguments, **options)

    return repeated


for _name in (
    "add_all",
    "remove",
    "remove_all",
    "remove_example",
    "move_example",
    "rename",
    "merge",
    "unmerge",
    "reject",
    "withdraw_rejection",
    "keep_reviews",
    "resolve_reviews",
    "dismiss_reviews",
    "set_plan",
    "save_scores",
    "trim",
):
    setattr(MilvusStore, _name, _repeating(getattr(Store, _name)))
