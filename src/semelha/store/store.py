"""The database of a gallery: the truth about what is enrolled.

In WAL mode with full synchronization: what was acknowledged is on the disk. One connection writes, under a lock; each
view reads on a connection of its own, from a snapshot that no writer disturbs or waits for.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from semelha.errors import SubjectExists, SubjectNotFound
from semelha.store import examples, merges, rejections
from semelha.store.connection import TIMEOUT, check_model, connect, model_of, translating_errors
from semelha.store.readers import Readers
from semelha.store.records import NewExample, Plan, Scores, Strangers
from semelha.store.schema import migrate
from semelha.store.successor import Successor, replace_strangers, take_over
from semelha.store.view import View

logger = logging.getLogger(__name__)

LONG_LOG = 16 << 20  # bytes
PATIENCE = 200  # milliseconds that the emptying of the log waits for a view to end


class Store:
    """Subjects and their examples in one SQLite file: what is written here is read through a view.

    Every write is one change: all of it or on any error none, with a number that is one more than that of the change
    before, whichever process made that.

    Parameters
    ----------
    path : Path
        Made where it is missing, brought to this version where it is older.
    model : str
        Fingerprint of the model whose vectors it holds, for a database that does not say yet.

    Attributes
    ----------
    model : str
        That of its vectors when it was opened; "" where nobody ever said.

    Raises
    ------
    GalleryError
        Of every call: the file cannot be read or written, is damaged, or there is no room.
    GalleryMoved
        Of every call from when the vectors are of another model than when it was opened.
    """

    def __init__(self, path: Path, model: str = "") -> None:
        self.path = path
        self._lock = threading.RLock()
        self._log = path.with_name(f"{path.name}-wal")
        self._too_long = LONG_LOG
        with translating_errors(path, "opened"):
            self._db = connect(path)
        try:
            with translating_errors(path, "opened"):
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.execute("PRAGMA foreign_keys = ON")
                migrate(self._db)
                if model and not model_of(self._db):
                    self._db.execute("INSERT OR IGNORE INTO meta VALUES ('model', ?)", (json.dumps(model),))
                self.model = model_of(self._db)
        except BaseException:
            self._db.close()
            raise
        self._readers = Readers(path, self.model)

    def close(self) -> None:
        """Let go of the file."""
        self._readers.close()
        with self._lock:
            self._db.close()

    def reading(self) -> AbstractContextManager[View]:
        """`with store.reading() as view`: all that it answers is of one moment."""
        return self._readers.view()

    def add(self, subject: str, new: Sequence[NewExample]) -> list[int]:
        """Add examples to a subject, new or old, all or none; on the disk when this returns.

        Returns
        -------
        list of int
            Numbers of those added; a picture that the subject has already is not.
        """
        now, added = _now(), []
        with self._changing() as change:
            number = self._subject_or_new(subject, change)
            for example in new:
                cursor = self._db.execute(
                    "INSERT OR IGNORE INTO examples (subject_id, content_hash, source, created, change)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (number, example.content_hash, example.source, now, change),
                )
                if cursor.rowcount:
                    row = int(cursor.lastrowid or 0)
                    self._db.execute("INSERT INTO vectors VALUES (?, ?)", (row, example.vector.astype("<f4").tobytes()))
                    if example.picture is not None:
                        self._db.execute("INSERT INTO pictures VALUES (?, ?)", (row, example.picture))
                    added.append(row)
            rejections.forget_enrolled(self._db, number, (example.content_hash for example in new))
        return added

    def remove(self, subject: str) -> int:
        """Remove a subject with its examples, their vectors and pictures. Returns the number of examples."""
        with self._changing() as change:
            return examples.remove_subject(self._db, self._subject(subject), change)

    def remove_example(self, example: int) -> str:
        """Remove an example and return the name of its subject: `examples.remove`."""
        with self._changing() as change:
            return examples.remove(self._db, example, change)

    def move_example(self, example: int, subject: str) -> int:
        """Move an example to a subject, new or old: `examples.move`."""
        with self._changing() as change:
            return examples.move(self._db, example, self._subject_or_new(subject, change), change)

    def rename(self, old: str, new: str) -> None:
        """Give a subject another name, which no subject may have."""
        with self._changing() as change:
            number = self._subject(old)
            try:
                self._db.execute(
                    "UPDATE subjects SET name = ?, folded = ?, change = ? WHERE id = ?",
                    (new, new.casefold(), change, number),
                )
            except sqlite3.IntegrityError as error:
                raise SubjectExists(
                    f"a subject is called {new!r} already: remove it first, or choose another"
                ) from error

    def merge(self, source: str, into: str) -> int:
        """Make two subjects one: `merges.merge`. Raises `SubjectNotFound` too."""
        with self._changing() as change:
            return merges.merge(self._db, self._subject(source), self._subject(into), change)

    def unmerge(self, merge: int) -> str:
        """Part two subjects again: `merges.undo`."""
        with self._changing() as change:
            return merges.undo(self._db, merge, change)

    def reject(self, subject: str, picture: NewExample) -> int:
        """Remember that a picture does not show a subject: `rejections.reject`. Raises `SubjectNotFound` too."""
        with self._changing():
            return rejections.reject(self._db, self._subject(subject), subject, picture)

    def withdraw_rejection(self, rejection: int) -> None:
        """Forget a rejection: `rejections.withdraw`."""
        with self._changing():
            rejections.withdraw(self._db, rejection)

    def set_plan(self, plan: Plan, scores: Scores, strangers: Strangers | None = None) -> None:
        """Let the gallery say "unknown" from now on, with its scores and the strangers that they are of."""
        with self._changing() as change:
            wish = json.dumps(asdict(replace(plan, change=change)))
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('calibration', ?)", (wish,))
            replace_strangers(self._db, strangers)
            self._replace_scores(scores)

    def save_scores(self, plan: Plan, scores: Scores) -> None:
        """Keep scores of the plan, unless there is another plan now or later scores of this one. No change: derived."""
        with self._writing():
            current = self._db.execute(
                "SELECT json_extract(value, '$.change') FROM meta WHERE key = 'calibration'"
            ).fetchone()
            later = self._db.execute("SELECT 1 FROM scores WHERE change >= ?", (scores.change,)).fetchone()
            if current == (plan.change,) and not later:
                self._replace_scores(scores)

    def trim(self, change: int) -> None:
        """Forget which examples were removed up to a change. Who remembers an earlier one reads everything anew."""
        with self._writing():
            self._db.execute("DELETE FROM removed WHERE change <= ?", (change,))
            self._db.execute(
                "UPDATE meta SET value = ? WHERE key = 'trimmed' AND CAST(value AS INTEGER) < ?", (str(change), change)
            )

    def move(
        self,
        successor: Successor,
        complete: Callable[[View], Mapping[str, Sequence[int]]],
        strangers: Strangers | None,
    ) -> None:
        """Let the vectors of another model take the place of all there are: one change, after which this raises.

        The wish of the calibration stays, and its scores go; one with strangers goes where they are not given anew.

        Parameters
        ----------
        successor : Successor
        complete : callable
            Called while nobody else can write, with a view of what there is: makes the successor complete, and gives
            the numbers of what is to be left out of each place, by its name.
        strangers : Strangers, optional
            By the other model, for those of a calibration with strangers.
        """
        with self._changing() as change:
            with self.reading() as view:
                left_out = complete(view)
            take_over(self._db, successor, left_out, strangers, change)

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

    def _subject_or_new(self, name: str, change: int) -> int:
        """Number of a subject, which is marked as changed, or created if nobody has the name."""
        self._db.execute(
            "INSERT INTO subjects (name, folded, created, change) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET change = excluded.change",
            (name, name.casefold(), _now(), change),
        )
        return self._subject(name)

    @contextmanager
    def _changing(self) -> Iterator[int]:
        """A write that is a change: gives its number."""
        with self._writing():
            self._db.execute("UPDATE meta SET value = value + 1 WHERE key = 'change'")
            yield int(self._db.execute("SELECT value FROM meta WHERE key = 'change'").fetchone()[0])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction: all of it, or on any error none."""
        with self._lock, translating_errors(self.path, "written"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                check_model(self._db, self.model, self.path)
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._empty_log()

    def _empty_log(self) -> None:
        """Fold a write-ahead log that has grown long into the database. Views that begin meanwhile do not disturb it.

        SQLite does so by itself only where no view is of an earlier change. Where views overlap there always is one,
        and the log would grow without end.
        """
        try:
            if self._log.stat().st_size < self._too_long:
                return
            try:
                self._db.execute(f"PRAGMA busy_timeout = {PATIENCE}")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                self._db.execute(f"PRAGMA busy_timeout = {1000 * TIMEOUT}")
            # A view that stays for long is not waited for at every write.
            self._too_long = self._log.stat().st_size + LONG_LOG
        except (sqlite3.Error, OSError) as error:  # what was written is safe in the log
            logger.warning("the log of %s cannot be emptied, which is tried again: %s", self.path, error)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
