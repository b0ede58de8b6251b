"""Damaged rows of the database are found when it is opened, named, and set aside, so that they cost only themselves."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from semelha.errors import GalleryError
from semelha.store.audit import record
from semelha.store.database import (
    connect,
    damaged,
    meta_of,
    model_of,
    next_change,
    set_meta,
    translating_errors,
)
from semelha.store.integrity import (
    CHECKED,
    EXAMPLE_OF,
    OWNER,
    Damage,
    damaged_rows,
    forget_checksum,
    has_structural_faults,
    is_damaged,
    is_intact,
    is_sound,
)

LARGE = ("subjects", "examples", "vectors")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What was set aside; `place` is its row in their list. `picture` is the copy kept of an example, if intact."""

    place: int
    damage: Damage
    picture: bytes | None


class DamageControl:
    """Checks a database, in the connection of its `Store`, and repairs what can be repaired.

    Every method raises `GalleryError` if the database cannot be read, or not without what is damaged. `is_checked` says
    whether `check` went through all tables.
    """

    checked_at_once: ClassVar[int] = 20_000  # examples whose checksums are computed whenever a gallery is opened

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
        self._stop = threading.Event()

    def check(self, *, large: bool = False) -> None:
        """Set damaged rows aside, as one change, and log what they are. Pictures are checked when they are read.

        Tables of more than `checked_at_once` examples are checked only if `large`, on a connection of its own, until
        `stop` is called. Raises `GalleryError` if nothing can be read without what is damaged.
        """
        with translating_errors(self.path, "read"):
            (count,) = self._db.execute("SELECT count(*) FROM examples").fetchone()
            everything = large or count <= self.checked_at_once
            tables = [table for table in CHECKED if table != "pictures" and (everything or table not in LARGE)]
            db = self._db
            if large:
                db = connect(self.path, "immutable" if self.read_only else "rw")
                db.set_progress_handler(self._stop.is_set, 100_000)
            try:
                is_faulty = everything and has_structural_faults(db)
                tables = [table for table in tables if not self._is_stopped() and damaged_rows(db, [table])]
            finally:
                if large:
                    db.close()
            if is_faulty or tables:
                with self._lock:
                    self._set_aside(tables)
            self.is_checked = everything
            left_out = self._db.execute("SELECT count(*) FROM damaged").fetchone()[0]
        if left_out:
            folder = self.path.parent
            logger.warning("%s damaged rows of %s are left out: see `semelha doctor %s`", left_out, folder, folder)

    def _is_stopped(self) -> bool:
        if self._stop.is_set():
            raise GalleryError(f"the check of {self.path.parent} was interrupted: the gallery was closed")
        return False

    def left_out(self) -> list[LeftOut]:
        """List what was set aside."""
        with self._lock, translating_errors(self.path, "read"):
            rows = self._db.execute("SELECT rowid, kind, row, subject, source, picture FROM damaged").fetchall()
        return [
            LeftOut(place, Damage(kind, row, subject or "", source or ""), picture)
            for place, kind, row, subject, source, picture in rows
        ]

    def forget_left_out(self, places: Iterable[int]) -> None:
        """Delete what was set aside, by the `place` of each."""
        with self._changing(erases=True):
            self._db.executemany("DELETE FROM damaged WHERE rowid = ?", [(place,) for place in places])
            record(self._db, "repair", detail="what was set aside is forgotten")

    def damaged_pictures(self) -> list[Damage]:
        """List the kept pictures that are damaged."""
        with self._lock, translating_errors(self.path, "read"):
            return damaged_rows(self._db, ["pictures"])

    def is_sound(self) -> bool:
        """Whether SQLite finds no fault in any page."""
        with self._lock, translating_errors(self.path, "read"):
            return is_sound(self._db)

    def drop_damaged_pictures(self) -> list[Damage]:
        """Delete the kept pictures that are damaged; their examples stay. Returns what they were."""
        with self._changing(erases=True):
            found = damaged_rows(self._db, ["pictures"])
            for one in found:
                self._db.execute("DELETE FROM pictures WHERE example_id = ?", (one.row,))
                forget_checksum(self._db, one)
            record(self._db, "repair", detail=f"{len(found)} damaged pictures dropped")
        return found

    def stop(self) -> None:
        """Interrupt a `check` that runs in another thread, which then raises `GalleryError`."""
        self._stop.set()

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
            _set_rows_aside(self._db, damage)
            if any(one.table == "meta" for one in damage) and not (
                model_of(self._db) and meta_of(self._db, "hash_basis")
            ):
                raise damaged(self.path, "its settings cannot be read")
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        for one in damage:
            logger.warning("damaged in the gallery %s: %s", self.path.parent, one)


def _set_rows_aside(db: sqlite3.Connection, damage: Sequence[Damage]) -> None:
    """Take damaged rows out of their tables, in the caller's transaction, as one change.

    All but scores is recorded in the table `damaged`. Examples, also those of a damaged subject, are removed as by
    hand; their subject is recorded if the rows that name it are intact, and the copy of the picture if it is. The index
    on disk and the scores are made anew.
    """
    examples = [one.row for one in damage if one.table in EXAMPLE_OF]
    for one in damage:
        forget_checksum(db, one)
        if one.table == "subjects":
            examples += [row for (row,) in db.execute("SELECT id FROM examples WHERE subject_id = ?", (one.row,))]
            for table, column in {"rejections": "subject_id", "merges": "holder"}.items():  # they go with it
                rows = f"SELECT '{table}', id FROM {table} WHERE {column} = ?"
                db.execute(f"INSERT INTO damaged (kind, row) {rows}", (one.row,))
        elif one.table not in EXAMPLE_OF:
            if one.table != "scores":
                db.execute("INSERT INTO damaged (kind, row) VALUES (?, ?)", (one.table, one.row))
            db.execute(f"DELETE FROM {one.table} WHERE rowid = ?", (one.row,))
    change = next_change(db)
    for example in dict.fromkeys(examples):
        name, source, subject = db.execute(OWNER, (example,)).fetchone() or (None, None, None)
        query = f"SELECT data FROM pictures WHERE example_id = ? AND {is_intact('pictures')}"
        picture = (db.execute(query, (example,)).fetchone() or (None,))[0]
        db.execute("INSERT INTO damaged VALUES ('examples', ?, ?, ?, ?)", (example, name, source, picture))
        for table, column in EXAMPLE_OF.items():
            db.execute(f"DELETE FROM {table} WHERE {column} = ?", (example,))
        db.execute("UPDATE subjects SET change = ? WHERE id = ?", (change, subject))
    record(db, "set aside", examples=len(set(examples)), detail=f"{len(damage)} damaged rows")
    db.execute("DELETE FROM subjects WHERE id NOT IN (SELECT subject_id FROM examples)")
    db.execute("DELETE FROM scores")
    db.execute("DELETE FROM removed")
    set_meta(db, "trimmed", str(change))
    db.execute("UPDATE meta SET value = json_set(value, '$.change', ?) WHERE key = 'calibration'", (change,))


def copy_database(source: Path, target: Path) -> None:
    """Copy a database at one change to a new file. The source is neither upgraded nor repaired.

    Raises `GalleryError` if anything in it is damaged.
    """
    with translating_errors(source, "copied"):
        copy = connect(target, "rwc")
        try:
            try:
                _copy(connect(source), copy)
            except sqlite3.OperationalError:
                log = source.with_name(f"{source.name}-wal")
                if log.exists() and log.stat().st_size:
                    raise
                _copy(connect(source, "immutable"), copy)  # where nothing can be written
            if is_damaged(copy):
                raise damaged(source, "it is not copied")
        finally:
            copy.close()


def _copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    try:
        source.backup(target)
    finally:
        source.close()
