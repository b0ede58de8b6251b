"""The database of a gallery: the truth about what is enrolled.

One connection under one lock, in WAL mode with full synchronization: what was acknowledged is on the disk.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.errors import GalleryError, SubjectExists, SubjectNotFound
from semelha.store.records import Example, NewExample, Subject
from semelha.store.schema import migrate


class Store:
    """Subjects and their examples in one SQLite file.

    Parameters
    ----------
    path : Path
        Made where it is missing, brought to this version where it is older.

    Raises
    ------
    GalleryError
        Of every call: the file cannot be read or written, is damaged, or there is no room.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._writes = 0
        with self._saying("opened"):
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        try:
            with self._saying("opened"):
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.execute("PRAGMA foreign_keys = ON")
                migrate(self._db)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def generation(self) -> tuple[int, int]:
        """Changes when anything does, by this object or by another process."""
        with self._lock, self._saying("read"):
            return self._writes, int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def subjects(self) -> list[Subject]:
        """Every subject, by name."""
        rows = self._rows(
            "SELECT name, (SELECT count(*) FROM examples WHERE subject_id = subjects.id), created"
            " FROM subjects ORDER BY name"
        )
        return [Subject(*row) for row in rows]

    def examples(self) -> tuple[list[Example], NDArray[np.float32]]:
        """Every example by its number, and their vectors (examples, d)."""
        rows = self._rows(
            "SELECT examples.id, name, source, content_hash, vector FROM examples"
            " JOIN subjects ON subjects.id = subject_id ORDER BY examples.id"
        )
        return [Example(*row[:4]) for row in rows], _stacked([row[4] for row in rows])

    def picture(self, example: int) -> bytes | None:
        """The file kept of an example."""
        rows = self._rows("SELECT data FROM pictures WHERE example_id = ?", (example,))
        return rows[0][0] if rows else None

    def subjects_with(self, content_hash: str) -> list[str]:
        """Names of the subjects that have that very picture."""
        rows = self._rows(
            "SELECT name FROM examples JOIN subjects ON subjects.id = subject_id WHERE content_hash = ? ORDER BY name",
            (content_hash,),
        )
        return [name for (name,) in rows]

    def add(self, subject: str, examples: Sequence[NewExample]) -> list[int]:
        """Add examples to a subject, new or old, all or none; on the disk when this returns.

        Returns
        -------
        list of int
            Numbers of those added; a picture that the subject has already is not.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        added = []
        with self._writing():
            self._db.execute("INSERT OR IGNORE INTO subjects (name, created) VALUES (?, ?)", (subject, now))
            number = self._subject(subject)
            for example in examples:
                row = (
                    number,
                    example.vector.astype("<f4").tobytes(),
                    example.content_hash,
                    example.source,
                    now,
                )
                cursor = self._db.execute(
                    "INSERT OR IGNORE INTO examples (subject_id, vector, content_hash, source, created)"
                    " VALUES (?, ?, ?, ?, ?)",
                    row,
                )
                if cursor.rowcount:
                    added.append(int(cursor.lastrowid or 0))
                    if example.picture is not None:
                        self._db.execute("INSERT INTO pictures VALUES (?, ?)", (cursor.lastrowid, example.picture))
        return added

    def remove(self, subject: str) -> int:
        """Remove a subject with its examples and pictures. Returns the number of examples."""
        with self._writing():
            number = self._subject(subject)
            (count,) = self._db.execute("SELECT count(*) FROM examples WHERE subject_id = ?", (number,)).fetchone()
            self._db.execute("DELETE FROM subjects WHERE id = ?", (number,))
        return int(count)

    def rename(self, old: str, new: str) -> None:
        """Give a subject another name, which no subject may have."""
        with self._writing():
            number = self._subject(old)
            try:
                self._db.execute("UPDATE subjects SET name = ? WHERE id = ?", (new, number))
            except sqlite3.IntegrityError as error:
                raise SubjectExists(
                    f"a subject is called {new!r} already: remove it first, or choose another"
                ) from error

    def set_strangers(self, vectors: NDArray[np.float32]) -> None:
        """Keep these, and only these, as vectors (n, d) of things that are not enrolled."""
        with self._writing():
            self._db.execute("DELETE FROM strangers")
            rows = [(vector.astype("<f4").tobytes(),) for vector in vectors]
            self._db.executemany("INSERT INTO strangers (vector) VALUES (?)", rows)

    def strangers(self) -> NDArray[np.float32]:
        """(n, d)."""
        return _stacked([row[0] for row in self._rows("SELECT vector FROM strangers ORDER BY id")])

    def set_meta(self, key: str, value: object) -> None:
        """Keep a value that JSON can hold under a name."""
        with self._writing():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def meta(self, key: str) -> Any:
        """The value under a name, or None."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return json.loads(rows[0][0]) if rows else None

    def _subject(self, name: str) -> int:
        row = self._db.execute("SELECT id FROM subjects WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise SubjectNotFound(f"no subject is called {name!r}")
        return int(row[0])

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        with self._lock, self._saying("read"):
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction: all of it, or on any error none."""
        with self._lock, self._saying("written"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
                self._writes += 1
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _saying(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.ProgrammingError as error:
            raise GalleryError(f"the gallery {self.path.parent} is closed") from error
        except sqlite3.Error as error:
            raise GalleryError(f"the gallery {self.path} cannot be {what}: {error}") from error


def _stacked(blobs: list[bytes]) -> NDArray[np.float32]:
    if not blobs:
        return np.empty((0, 0), np.float32)
    return np.frombuffer(b"".join(blobs), "<f4").reshape(len(blobs), -1).astype(np.float32)
