"""Vectors of another model, staged in a separate file until a migration replaces those of the gallery by them.

A new table with vectors of the gallery's model must be added to `PLACES`, so that a migration replaces its vectors too.
Reviews are not: they are answers of the model that goes, and are deleted.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semelha.errors import GalleryError
from semelha.store.database import connect, set_meta, translating_errors
from semelha.store.records import Strangers


@dataclass(frozen=True)
class Place:
    """A table whose rows have a vector, and the statements to migrate it to another model.

    Attributes
    ----------
    hashes : str
        Number and content hash of every row.
    rows : str
        The columns of `Kept`, of the numbers in a JSON list.
    put : str
        Replace the vector of a row, by (vector, number).
    leave_out : tuple of str
        Remove the rows of the numbers in a JSON list, and subjects without another example.
    """

    name: str
    hashes: str
    rows: str
    put: str
    leave_out: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Kept:
    """The picture of a vector: its number in its table, and the file that was kept, or None."""

    number: int
    content_hash: str
    subject: str
    source: str
    picture: bytes | None


EXAMPLES = Place(
    name="examples",
    hashes="SELECT id, content_hash FROM examples ORDER BY id",
    rows=(
        "SELECT examples.id, content_hash, name, source, pictures.data FROM json_each(?) AS wanted"
        " JOIN examples ON examples.id = wanted.value JOIN subjects ON subjects.id = subject_id"
        " LEFT JOIN pictures ON example_id = examples.id"
    ),
    put=(
        "INSERT INTO vectors (data, example_id) VALUES (?, ?)"
        " ON CONFLICT (example_id) DO UPDATE SET data = excluded.data"
    ),
    leave_out=(
        # First the subjects without another example, which also removes their examples.
        "WITH gone AS (SELECT value FROM json_each(?))"
        " DELETE FROM subjects WHERE id IN (SELECT subject_id FROM examples WHERE id IN gone)"
        " AND NOT EXISTS (SELECT 1 FROM examples WHERE subject_id = subjects.id AND id NOT IN gone)",
        "DELETE FROM examples WHERE id IN (SELECT value FROM json_each(?))",
    ),
)

REJECTIONS = Place(
    name="rejections",
    hashes="SELECT id, content_hash FROM rejections ORDER BY id",
    rows=(
        "SELECT rejections.id, content_hash, name, source, picture FROM json_each(?) AS wanted"
        " JOIN rejections ON rejections.id = wanted.value JOIN subjects ON subjects.id = subject_id"
    ),
    put="UPDATE rejections SET vector = ? WHERE id = ?",
    leave_out=("DELETE FROM rejections WHERE id IN (SELECT value FROM json_each(?))",),
)

SET_ASIDE = Place(
    name="set aside",
    hashes="SELECT example, content_hash FROM set_aside ORDER BY example",
    rows=(
        "SELECT example, content_hash, merges.source, set_aside.source, picture FROM json_each(?) AS wanted"
        " JOIN set_aside ON example = wanted.value JOIN merges ON merges.id = merge"
    ),
    put="UPDATE set_aside SET vector = ? WHERE example = ?",
    leave_out=("DELETE FROM set_aside WHERE example IN (SELECT value FROM json_each(?))",),
)

PLACES = (EXAMPLES, REJECTIONS, SET_ASIDE)


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
    """Vectors of another model for the rows of a gallery, kept on disk so that a migration can be continued.

    A damaged file, or one of another model, is replaced by an empty one. Every method raises `GalleryError` if the file
    cannot be read or written.
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
                logger.warning("%s cannot be used, its pictures are embedded again: %s", path, error)
                path.unlink()
                path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
                self._db = self._opened()
        except (sqlite3.Error, OSError) as error:
            raise GalleryError(f"the vectors of the new model cannot be written to {path}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def done(self, place: Place) -> dict[int, tuple[str, bool]]:
        """Content hash, and whether the original picture was embedded, by the number of each staged row."""
        with translating_errors(self.path, "read"):
            rows = self._db.execute("SELECT number, content_hash, original FROM vectors WHERE place = ?", (place.name,))
            return {number: (content, bool(original)) for number, content, original in rows}

    def put(self, rows: Sequence[tuple[Place, int, str, bool]], vectors: NDArray[np.float32]) -> None:
        """Stage vectors (n, dim) of rows: place, number, content hash, whether the original picture was embedded."""
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
        """Number, content hash and vector of the staged rows of a place."""
        yield from self._db.execute(
            "SELECT number, content_hash, data FROM vectors WHERE place = ? ORDER BY number", (place.name,)
        )

    def _opened(self) -> sqlite3.Connection:
        db = connect(self.path, "rwc")
        try:
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(_TABLES)
            if db.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("it fails the integrity check")
            db.execute("INSERT OR IGNORE INTO meta VALUES ('model', ?)", (self.model,))
            if db.execute("SELECT value FROM meta WHERE key = 'model'").fetchone() != (self.model,):
                raise sqlite3.DatabaseError("it belongs to another model")
            db.execute("DELETE FROM vectors WHERE length(data) <> ?", (4 * self._dim,))
        except BaseException:
            db.close()
            raise
        return db


def replace_vectors(
    db: sqlite3.Connection,
    staged: StagedVectors,
    dropped: Mapping[str, Sequence[int]],
    strangers: Strangers | None,
    change: int,
) -> None:
    """Replace all vectors of the database by the staged ones, in the caller's transaction, which is the `change`.

    Raises `GalleryError` if one is missing; the caller must then roll back.
    """
    for place in PLACES:
        numbers = json.dumps(list(dropped.get(place.name, ())))
        for statement in place.leave_out:
            db.execute(statement, (numbers,))
        current = dict(db.execute(place.hashes))
        fitting = ((blob, number) for number, content, blob in staged.vectors(place) if current.get(number) == content)
        if db.executemany(place.put, fitting).rowcount != len(current):
            raise GalleryError(f"the vectors in {staged.path} are incomplete: run the migration again")
    # Every vector changed: scores and logs of earlier changes are void.
    db.execute("DELETE FROM scores")
    db.execute("DELETE FROM reviews")
    db.execute("DELETE FROM removed")
    db.execute("UPDATE meta SET value = ? WHERE key = 'trimmed'", (str(change),))
    set_meta(db, "model", json.dumps(staged.model))
    had_strangers = db.execute("SELECT 1 FROM strangers").fetchone() is not None
    if had_strangers and strangers is None:
        db.execute("DELETE FROM meta WHERE key = 'calibration'")
    replace_strangers(db, strangers if had_strangers else None)
    db.execute("UPDATE meta SET value = json_set(value, '$.change', ?) WHERE key = 'calibration'", (change,))


def replace_strangers(db: sqlite3.Connection, strangers: Strangers | None) -> None:
    """Replace the strangers of the database, in the caller's transaction."""
    db.execute("DELETE FROM strangers")
    db.execute("DELETE FROM moved_strangers")
    if strangers is not None:
        pairs = zip(strangers.vectors, strangers.subjects.tolist(), strict=True)
        rows = [(vector.astype("<f4").tobytes(), subject) for vector, subject in pairs]
        db.executemany("INSERT INTO strangers (vector, subject) VALUES (?, ?)", rows)
