"""Damaged rows of the database are found when it is opened, named, and set aside, so that they cost only themselves."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from semelha.store.database import connect, damaged, meta_of, model_of, next_change, translating_errors
from semelha.store.integrity import (
    CHECKED,
    Damage,
    damaged_rows,
    forget_checksum,
    has_structural_faults,
    set_aside,
)

CHECKED_AT_ONCE = 20_000  # examples whose checksums are computed whenever a gallery is opened
LARGE = ("subjects", "examples", "vectors")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LeftOut:
    """A damaged example that was set aside; `row` is its place among them, `picture` the copy that was kept."""

    row: int
    example: int
    subject: str
    source: str
    picture: bytes | None


class DamageControl:
    """Checks a database, in the connection of its `Store`, and repairs what can be repaired.

    Every method raises `GalleryError` if the database cannot be read, or not without what is damaged. `is_checked` says
    whether `check` went through all tables.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        lock: threading.RLock,
        path: Path,
        read_only: str,
        changing: Callable[..., AbstractContextManager[int]],
    ) -> None:
        self.path = path
        self.read_only = read_only
        self.is_checked = False
        self._db = db
        self._lock = lock
        self._changing = changing
        self._checking: sqlite3.Connection | None = None

    def check(self, *, large: bool = False) -> None:
        """Set damaged rows aside, as one change, and log what they are. Pictures are checked when they are read.

        Tables of more than `CHECKED_AT_ONCE` examples are checked only if `large`, on a connection of its own, which
        `stop` interrupts. Raises `GalleryError` if nothing can be read without what is damaged.
        """
        with translating_errors(self.path, "read"):
            (count,) = self._db.execute("SELECT count(*) FROM examples").fetchone()
            everything = large or count <= CHECKED_AT_ONCE
            tables = [table for table in CHECKED if table != "pictures" and (everything or table not in LARGE)]
            db = self._db
            if large:
                db = self._checking = connect(self.path, "immutable" if self.read_only else "rw")
            try:
                is_faulty = (everything and has_structural_faults(db)) or bool(damaged_rows(db, tables))
            finally:
                if large:
                    db.close()
            if is_faulty:
                with self._lock:
                    self._set_aside(tables)
            self.is_checked = everything
            left_out = self._db.execute("SELECT count(*) FROM damaged").fetchone()[0]
        if left_out:
            folder = self.path.parent
            logger.warning("%s damaged examples of %s are left out: see `semelha doctor %s`", left_out, folder, folder)

    def left_out(self) -> list[LeftOut]:
        """List the damaged examples that were set aside."""
        with self._lock, translating_errors(self.path, "read"):
            rows = self._db.execute("SELECT rowid, example, subject, source, picture FROM damaged").fetchall()
        return [
            LeftOut(row, example, _text(subject), _text(source), picture)
            for row, example, subject, source, picture in rows
        ]

    def forget_left_out(self, rows: Iterable[int]) -> None:
        """Delete damaged examples that were set aside, by the `row` of each."""
        with self._changing(erases=True):
            self._db.executemany("DELETE FROM damaged WHERE rowid = ?", [(row,) for row in rows])

    def damaged_pictures(self) -> list[Damage]:
        """List the kept pictures that are damaged."""
        with self._lock, translating_errors(self.path, "read"):
            return damaged_rows(self._db, ["pictures"])

    def is_sound(self) -> bool:
        """Whether SQLite finds no fault in any page. Reads the whole file."""
        with self._lock, translating_errors(self.path, "read"):
            return bool(self._db.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))

    def drop_damaged_pictures(self) -> list[Damage]:
        """Delete the kept pictures that are damaged; their examples stay. Returns what they were."""
        with self._changing(erases=True):
            found = damaged_rows(self._db, ["pictures"])
            for one in found:
                self._db.execute("DELETE FROM pictures WHERE example_id = ?", (one.row,))
                forget_checksum(self._db, one)
        return found

    def stop(self) -> None:
        """Interrupt a `check` that runs in another thread, which then raises `GalleryError`."""
        if self._checking is not None:
            with suppress(sqlite3.ProgrammingError):  # it is closed: the check is done
                self._checking.interrupt()

    def _set_aside(self, tables: Sequence[str]) -> None:
        if self.read_only:
            raise damaged(self.path, ", ".join(map(str, damaged_rows(self._db, tables))) or "its tables")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            if has_structural_faults(self._db):
                self._db.execute("REINDEX")
                if has_structural_faults(self._db):
                    raise damaged(self.path, "its tables cannot be read in full")
            damage = damaged_rows(self._db, tables)  # again: another process may have been first
            settings = [one for one in damage if one.table == "meta"]
            for one in settings:
                self._db.execute("DELETE FROM meta WHERE rowid = ?", (one.row,))
                forget_checksum(self._db, one)
            set_aside(self._db, [one for one in damage if one.table != "meta"], next_change(self._db))
            if settings and not (model_of(self._db) and meta_of(self._db, "hash_basis")):
                raise damaged(self.path, "its settings cannot be read")
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        for one in damage:
            logger.warning("damaged in the gallery %s: %s", self.path.parent, one)


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")
