"""The vectors of another model, gathered beside the database until they are all there, and how they take its place."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semelha.errors import GalleryError
from semelha.store.connection import connect, translating_errors
from semelha.store.places import PLACES, Place
from semelha.store.records import Strangers

logger = logging.getLogger(__name__)

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS vectors (
    place TEXT NOT NULL,
    number INTEGER NOT NULL,
    content_hash TEXT NOT NULL,
    original INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (place, number)
) STRICT;
"""


class StagedVectors:
    """Vectors of another model for what a gallery holds. Whoever goes on later finds those that were put.

    Parameters
    ----------
    path : Path
        Of a file of its own. What is damaged, or of another model, is begun anew: it can be made again.
    model : str
        Fingerprint.
    dim : int
        Of a vector.

    Raises
    ------
    GalleryError
        Of every call: the file cannot be read or written.
    """

    def __init__(self, path: Path, model: str, dim: int) -> None:
        self.path = path
        self.model = model
        self._dim = dim
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._db = self._opened()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                logger.warning("%s is damaged, and what was embedded is embedded again: %s", path, error)
                path.unlink()
                path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
                self._db = self._opened()
        except (sqlite3.Error, OSError) as error:
            raise GalleryError(f"the vectors of the new model cannot be kept in {path}: {error}") from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def done(self, place: Place) -> dict[int, tuple[str, bool]]:
        """Content hash, and whether it was the original picture, of each vector that was put, by its number."""
        with translating_errors(self.path, "read"):
            rows = self._db.execute("SELECT number, content_hash, original FROM vectors WHERE place = ?", (place.name,))
            return {number: (content, bool(original)) for number, content, original in rows}

    def put(self, rows: Sequence[tuple[Place, int, str, bool]], vectors: NDArray[np.float32]) -> None:
        """Keep vectors (n, dim): of which place, number there and content hash, and whether of the original picture."""
        blobs = [vector.astype("<f4").tobytes() for vector in vectors]
        with translating_errors(self.path, "written"), self._db:
            self._db.execute("BEGIN")
            self._db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?, ?)",
                [
                    (place.name, number, content, int(original), blob)
                    for (place, number, content, original), blob in zip(rows, blobs, strict=True)
                ],
            )

    def vectors(self, place: Place) -> Iterator[tuple[int, str, bytes]]:
        """Number, content hash and vector of all that were put."""
        yield from self._db.execute(
            "SELECT number, content_hash, data FROM vectors WHERE place = ? ORDER BY number", (place.name,)
        )

    def _opened(self) -> sqlite3.Connection:
        db = connect(self.path)
        try:
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(_TABLES)
            if db.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("its pages do not fit together")
            db.execute("INSERT OR IGNORE INTO meta VALUES ('model', ?)", (self.model,))
            if db.execute("SELECT value FROM meta WHERE key = 'model'").fetchone() != (self.model,):
                raise sqlite3.DatabaseError("it is of another model")
            db.execute("DELETE FROM vectors WHERE length(data) <> ?", (4 * self._dim,))
        except BaseException:
            db.close()
            raise
        return db


def replace_vectors(
    db: sqlite3.Connection,
    staged: StagedVectors,
    left_out: Mapping[str, Sequence[int]],
    strangers: Strangers | None,
    change: int,
) -> None:
    """Put the vectors of a staged in the place of all there are, in the transaction that is the `change`.

    Raises `GalleryError` where one lacks; the transaction must then be undone.
    """
    for place in PLACES:
        numbers = json.dumps(list(left_out.get(place.name, ())))
        for statement in place.leave_out:
            db.execute(statement, (numbers,))
        there = dict(db.execute(place.hashes))
        fitting = ((blob, number) for number, content, blob in staged.vectors(place) if there.get(number) == content)
        if db.executemany(place.put, fitting).rowcount != len(there):
            raise GalleryError(f"the vectors in {staged.path} are not all there: run the migration again")
    # What followed the old vectors by the number of a change is at an end: everything is new.
    db.execute("DELETE FROM scores")
    db.execute("DELETE FROM removed")
    db.execute("UPDATE meta SET value = ? WHERE key = 'trimmed'", (str(change),))
    db.execute("INSERT OR REPLACE INTO meta VALUES ('model', ?)", (json.dumps(staged.model),))
    had_strangers = db.execute("SELECT 1 FROM strangers").fetchone() is not None
    if had_strangers and strangers is None:
        db.execute("DELETE FROM meta WHERE key = 'calibration'")
    replace_strangers(db, strangers if had_strangers else None)
    db.execute("UPDATE meta SET value = json_set(value, '$.change', ?) WHERE key = 'calibration'", (change,))


def replace_strangers(db: sqlite3.Connection, strangers: Strangers | None) -> None:
    """Put strangers in the place of those there are, in a transaction of the caller's."""
    db.execute("DELETE FROM strangers")
    db.execute("DELETE FROM moved_strangers")
    if strangers is not None:
        pairs = zip(strangers.vectors, strangers.subjects.tolist(), strict=True)
        rows = [(vector.astype("<f4").tobytes(), subject) for vector, subject in pairs]
        db.executemany("INSERT INTO strangers (vector, subject) VALUES (?, ?)", rows)
