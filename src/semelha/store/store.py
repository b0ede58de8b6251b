"""The SQLite database of a gallery: subjects, examples, vectors, pictures, and the calibration.

It is in WAL mode with full synchronization: a write that has returned is durable. One connection writes, under a lock.
Each view reads on its own connection, from a snapshot; it neither waits for writers nor delays them.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import NoReturn

from semelha.errors import GalleryError, GalleryNotWritable, SubjectExists, SubjectNotFound
from semelha.images import HashBasis
from semelha.store import audit, examples, merges, reviews
from semelha.store.called_unknown import FILE, CalledUnknown, is_any_among
from semelha.store.damage import DamageControl
from semelha.store.database import (
    TIMEOUT,
    VERSION,
    FileIdentity,
    Mode,
    check_file,
    check_model,
    connect,
    hash_basis_of,
    keep_log,
    migrate,
    model_of,
    next_change,
    now,
    set_meta,
    translating_errors,
    version_of,
)
from semelha.store.readers import Readers
from semelha.store.records import Addition, NewExample, NewReview, Plan, Scores, Strangers
from semelha.store.staged_vectors import StagedVectors, replace_strangers, replace_vectors
from semelha.store.view import View

logger = logging.getLogger(__name__)

LONG_LOG = 16 << 20  # bytes
UNWRITABLE = {
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP,
    sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_FSYNC,
}  # fmt: skip
PATIENCE = 200  # milliseconds that a checkpoint waits for views to end


class Store:
    """Subjects and their examples in one SQLite file: written here, read through a view.

    Every write is one change: applied whole, or not at all on an error. The numbers of changes ascend by random steps,
    so that no number is used again after an older copy of the file was restored.

    Parameters
    ----------
    path : Path
        Created if it is missing, upgraded if it is older.
    model : str
        Fingerprint of the model of its vectors, for a database that does not record one yet.
    hash_basis : {"encoded", "pixels"}, optional
        How the content hashes of a new database are computed; by default as the database records.
    long_log : int
        Bytes of the write-ahead log from which it is folded into the database.

    Attributes
    ----------
    model, hash_basis : str
        Those of the database when it was opened; the model is "" if unknown.
    read_only : str
        Why it can only be read; "" if it can be written.
    damage : DamageControl
        Finds damaged rows and sets them aside.

    Raises
    ------
    GalleryError
        By every method: the file cannot be read or written, is damaged, or the disk is full.
    GalleryMoved
        By every method: the vectors are of another model by now, or the file was replaced or deleted.
    """

    def __init__(
        self, path: Path, model: str = "", *, hash_basis: HashBasis | None = None, long_log: int = LONG_LOG
    ) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._log = path.with_name(f"{path.name}-wal")
        self._long_log = self._next_checkpoint = long_log
        self.read_only = ""
        self._file = FileIdentity.of(path)
        with translating_errors(path, "opened"):
            self._db = self._opened(hash_basis)
        self._file = self._file or FileIdentity.of(path)
        try:
            check_file(path, self._file)
            with translating_errors(path, "opened"):
                self.damage = DamageControl(self._db, self._lock, path, self.read_only, self._changing)
                self.damage.check()
                if model and not model_of(self._db) and not self.read_only:
                    self._db.execute("INSERT OR IGNORE INTO meta VALUES ('model', ?)", (json.dumps(model),))
                self.model = model_of(self._db)
                self.hash_basis = hash_basis_of(self._db)
        except BaseException:
            self._db.close()
            raise
        self._log_file = FileIdentity.of(self._log)
        mode: Mode = "immutable" if self.read_only else "rw"
        self._readers = Readers(path, self.model, self._file, mode, lambda: self.damage.is_checked)
        self.called_unknown = CalledUnknown(path.with_name(FILE))

    def __reduce__(self) -> NoReturn:
        raise GalleryError(
            f"{self.path.parent} is an open gallery, which cannot be pickled or copied: pass its path, and open it "
            "with Gallery(path) in each process"
        )

    def close(self) -> None:
        """Close the database; a view that is open keeps its connection until it ends."""
        self._readers.close()
        with self._lock:
            self._db.close()

    def _opened(self, hash_basis: HashBasis | None) -> sqlite3.Connection:
        """A connection to the database, created or upgraded; only for reading where nothing can be written."""
        is_new = not self.path.exists()
        db = connect(self.path, "rwc" if is_new else "rw")
        try:
            try:
                db.execute("PRAGMA secure_delete = ON")
                migrate(db, is_new=is_new)
                keep_log(db)
                db.execute("PRAGMA synchronous = FULL")
                db.execute("PRAGMA foreign_keys = ON")
                if hash_basis:
                    db.execute("UPDATE meta SET value = ? WHERE key = 'hash_basis'", (json.dumps(hash_basis),))
            except sqlite3.OperationalError as error:
                code = getattr(error, "sqlite_errorcode", 0)
                if is_new or not {code, code & 0xFF} & UNWRITABLE:
                    raise
                if self._log.exists() and self._log.stat().st_size:
                    raise GalleryError(
                        f"the gallery {self.path.parent} was not closed, and its last changes can be read only where "
                        f"it can be written: {error}"
                    ) from error
                self.read_only = str(error)
                db.close()
                db = connect(self.path, "immutable")
                if version_of(db) != VERSION:
                    why = "must be upgraded first: open it once where it can be written"
                    raise GalleryError(f"the gallery {self.path.parent} {why} ({error})") from error
                migrate(db, is_new=False)
        except BaseException:
            db.close()
            raise
        return db

    def reading(self) -> AbstractContextManager[View]:
        """`with store.reading() as view`: all that the view reads is of one change."""
        return self._readers.view()

    def add(self, subject: str, new: Sequence[NewExample]) -> Addition:
        """Add examples to a subject, new or old."""
        return self.add_all([(subject, new)], action="enroll")[0]

    def add_all(
        self, batch: Sequence[tuple[str, Sequence[NewExample]]], *, action: str = "enroll_dataset"
    ) -> list[Addition]:
        """Add examples to several subjects, new or old, as one change."""
        created, recorded = now(), self.called_unknown.read()
        screened = [is_any_among([one.content_hash for one in new], recorded) for _, new in batch]
        with self._changing() as change:
            return [
                examples.add(self._db, subject, new, change, created, is_screened=is_screened, action=action)
                for (subject, new), is_screened in zip(batch, screened, strict=True)
            ]

    def remove(self, subject: str) -> int:
        """Remove a subject with its examples, and return their number. Raises `SubjectNotFound`."""
        with self._changing(erases=True) as change:
            number = self._subject(subject)
            removed = examples.remove_subject(self._db, number, change)
            audit.record(self._db, "remove", subject=number, examples=removed)
            return removed

    def remove_all(self) -> int:
        """Remove every subject, as one change, and return their number."""
        with self._changing(erases=True) as change:
            numbers = [number for (number,) in self._db.execute("SELECT id FROM subjects").fetchall()]
            removed = sum(examples.remove_subject(self._db, number, change) for number in numbers)
            audit.record(self._db, "remove_all", examples=removed)
        return len(numbers)

    def remove_example(self, example: int) -> str:
        """Remove an example and return the name of its subject: `examples.remove`."""
        with self._changing(erases=True) as change:
            return examples.remove(self._db, example, change)

    def move_example(self, example: int, subject: str) -> int:
        """Move an example to a subject, new or old: `examples.move`."""
        with self._changing(erases=True) as change:
            into = examples.subject_or_new(self._db, subject, change, now())
            return examples.move(self._db, example, into, change)

    def rename(self, old: str, new: str) -> None:
        """Rename a subject. Raises `SubjectNotFound` or `SubjectExists`."""
        with self._changing() as change:
            number = self._subject(old)
            self._db.execute("UPDATE damaged SET subject = ? WHERE subject = ?", (new, old))
            try:
                self._db.execute(
                    "UPDATE subjects SET name = ?, folded = ?, change = ? WHERE id = ?",
                    (new, new.casefold(), change, number),
                )
            except sqlite3.IntegrityError as error:
                raise SubjectExists(
                    f"a subject is called {new!r} already: remove it first, or choose another"
                ) from error
            audit.record(self._db, "rename", subject=number)

    def merge(self, source: str, into: str) -> int:
        """Merge two subjects: `merges.merge`. Raises `SubjectNotFound` too."""
        with self._changing() as change:
            self._db.execute("UPDATE damaged SET subject = ? WHERE subject = ?", (into, source))
            return merges.merge(self._db, self._subject(source), self._subject(into), change)

    def unmerge(self, merge: int) -> str:
        """Undo a merge: `merges.unmerge`."""
        with self._changing() as change:
            return merges.unmerge(self._db, merge, change)

    def reject(self, subject: str, picture: NewExample) -> int:
        """Record that a picture does not show a subject: `examples.reject`. Raises `SubjectNotFound` too."""
        with self._changing():
            return examples.reject(self._db, self._subject(subject), subject, picture)

    def withdraw_rejection(self, rejection: int) -> None:
        """Delete a rejection: `examples.withdraw`."""
        with self._changing(erases=True):
            examples.withdraw(self._db, rejection)

    def keep_reviews(self, new: Sequence[NewReview], most: int) -> list[int]:
        """Keep pictures that a person should name: `reviews.keep`. This is no change: nothing is enrolled."""
        with self._writing():
            return reviews.keep(self._db, new, most)

    def resolve_reviews(self, numbers: Sequence[int], subject: str) -> Addition:
        """Enroll the pictures of reviews as examples of a subject, new or old. Raises `NumberNotFound`."""
        created, recorded = now(), self.called_unknown.read()
        with self._changing(erases=True) as change:
            new = reviews.take(self._db, numbers)
            is_screened = is_any_among([one.content_hash for one in new], recorded)
            action = "resolve_reviews"
            return examples.add(self._db, subject, new, change, created, is_screened=is_screened, action=action)

    def dismiss_reviews(self, numbers: Sequence[int]) -> None:
        """Delete reviews with their pictures. Raises `NumberNotFound`."""
        with self._writing(erases=True):
            dismissed = reviews.take(self._db, numbers)
            audit.record(self._db, "dismiss_reviews", detail=f"{len(dismissed)} reviews")

    def set_plan(self, plan: Plan, scores: Scores, strangers: Strangers | None = None) -> None:
        """Replace the calibration: its plan, its scores and the strangers of the scores."""
        with self._changing() as change:
            value = json.dumps(asdict(replace(plan, change=change)))
            set_meta(self._db, "calibration", value)
            replace_strangers(self._db, strangers)
            self._replace_scores(scores)
            audit.record(self._db, "calibrate", detail=_rates(plan))

    def save_scores(self, plan: Plan, scores: Scores) -> None:
        """Save scores, unless the plan changed or later scores exist. This is no change: scores are derived."""
        with self._writing():
            current = self._db.execute(
                "SELECT json_extract(value, '$.change') FROM meta WHERE key = 'calibration'"
            ).fetchone()
            later = self._db.execute("SELECT 1 FROM scores WHERE change >= ?", (scores.change,)).fetchone()
            if current == (plan.change,) and not later:
                self._replace_scores(scores)

    def trim(self, change: int) -> None:
        """Forget which examples were removed up to a change. An index of an earlier change is built anew then."""
        with self._writing():
            self._db.execute("DELETE FROM removed WHERE change <= ?", (change,))
            self._db.execute("DELETE FROM changes WHERE number < ?", (change,))
            self._db.execute(
                "UPDATE meta SET value = ? WHERE key = 'trimmed' AND CAST(value AS INTEGER) < ?", (str(change), change)
            )

    def switch_model(
        self,
        staged: StagedVectors,
        complete: Callable[[View], Mapping[str, Sequence[int]]],
        strangers: Strangers | None,
    ) -> None:
        """Replace all vectors by those of another model, as one change, after which every method raises `GalleryMoved`.

        `complete` is called with a view while other writers wait: it completes the staged vectors, and returns the
        numbers to drop from each table, by its name. The plan of the calibration stays and its scores are deleted; a
        plan with strangers is deleted unless `strangers` are passed, with vectors of the other model.
        """
        with self._changing(erases=True) as change:
            with self.reading() as view:
                dropped = complete(view)
            replace_vectors(self._db, staged, dropped, strangers, change)
            detail = f"from the model {self.model[:12]} to {staged.model[:12]}"
            audit.record(self._db, "migrate", examples=len(dropped.get("examples", ())), detail=detail)

    def _replace_scores(self, scores: Scores) -> None:
        numbers = (scores.subjects, scores.examples, scores.nearest)
        blobs: list[bytes | None] = [array.astype("<i8").tobytes() for array in numbers]
        blobs += [
            None if array is None else array.astype("<f8").tobytes()
            for array in (scores.distances, scores.own, scores.further)
        ]
        self._db.execute("DELETE FROM scores")
        self._db.execute("INSERT INTO scores VALUES (?, ?, ?, ?, ?, ?, ?)", (scores.change, *blobs))

    def _subject(self, name: str) -> int:
        row = self._db.execute("SELECT id FROM subjects WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise SubjectNotFound(f"no subject is called {name!r}")
        return int(row[0])

    @contextmanager
    def _changing(self, *, erases: bool = False) -> Iterator[int]:
        """A transaction that is a change; yields its number."""
        with self._writing(erases=erases):
            yield next_change(self._db)

    @contextmanager
    def _writing(self, *, erases: bool = False) -> Iterator[None]:
        """A transaction, rolled back on any error; `erases` what it deletes from the log too, when no view needs it."""
        if self.read_only:
            raise GalleryNotWritable(f"the gallery {self.path.parent} can only be read here: {self.read_only}")
        with self._lock, translating_errors(self.path, "written"):
            check_file(self.path, self._file)
            self._db.execute("BEGIN IMMEDIATE")
            try:
                check_model(self._db, self.model, self.path)
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            # Before the change is acknowledged. SQLite keeps the log as long as anyone has the database open.
            check_file(self.path, self._file)
            self._log_file = self._log_file or FileIdentity.of(self._log)
            check_file(self._log, self._log_file)
            if erases:
                self._next_checkpoint = 0
            self._checkpoint()

    def _checkpoint(self) -> None:
        """Fold a write-ahead log that has grown long into the database.

        SQLite does so by itself only when no view reads an earlier change. With overlapping views this never happens,
        and the log would grow without bound.
        """
        try:
            if self._log.stat().st_size < self._next_checkpoint:
                return
            try:
                self._db.execute(f"PRAGMA busy_timeout = {PATIENCE}")
                is_busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            finally:
                self._db.execute(f"PRAGMA busy_timeout = {1000 * TIMEOUT}")
            # A view that stays open must not delay every write; what was deleted is folded in by the next write.
            is_erasing = is_busy and not self._next_checkpoint
            self._next_checkpoint = 0 if is_erasing else self._log.stat().st_size + self._long_log
        except (sqlite3.Error, OSError) as error:  # what was written is safe in the log
            logger.warning("the log of %s cannot be folded into it, which is tried again: %s", self.path, error)


def _rates(plan: Plan) -> str:
    second = "" if plan.uncertain is None else f", uncertain {plan.uncertain:g}"
    return f"fpir {plan.fpir:g}{second}, scoring {plan.scoring}, on {plan.kind}"
