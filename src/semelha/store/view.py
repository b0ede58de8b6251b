"""Read-only views of the database at one change, for any number of threads, without waiting for writers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from semelha.errors import NumberNotFound, SubjectNotFound
from semelha.images import HashBasis
from semelha.store import audit, examples, reviews
from semelha.store.database import check_model, damaged, hash_basis_of, meta_of, translating_errors
from semelha.store.integrity import described, is_intact
from semelha.store.listing import SUBJECTS, find_subjects
from semelha.store.merges import LISTED
from semelha.store.records import (
    AuditEntry,
    ExamplePage,
    Merge,
    Plan,
    Rejection,
    ReviewKind,
    Scores,
    StoredExample,
    StoredReview,
    Strangers,
    Subject,
    SubjectPage,
    plan_of,
    scores_of,
)
from semelha.store.staged_vectors import Kept, Place

Value = TypeVar("Value")
ROWS = 4096  # read at a time
MAX_NUMBER = (1 << 63) - 1


class View:
    """Reads the database, all of it at one change. Created by `Store.reading`, for one thread."""

    change: int
    """Number of the last change that it sees."""

    def __init__(self, connection: sqlite3.Connection, path: Path, model: str, is_checked: Callable[[], bool]) -> None:
        self._db = connection
        self._is_checked = is_checked
        self._path = path
        self._model = model
        self.refresh()

    def refresh(self) -> None:
        """Read the present change from now on. Raises `GalleryMoved`."""
        self.end()
        with translating_errors(self._path, "read"):
            self._db.execute("BEGIN")
            check_model(self._db, self._model, self._path)
        self.change = int(self._meta("change"))

    def end(self) -> None:
        """End the transaction."""
        if self._db.in_transaction:
            with translating_errors(self._path, "read"):
                self._db.execute("COMMIT")

    # Subjects.

    def subjects(self) -> list[Subject]:
        """List every subject, by name."""
        return [Subject(*row) for row in self._rows(f"{SUBJECTS} ORDER BY name")]

    def find_subjects(self, search: str, sort: str, after: Subject | None, limit: int) -> SubjectPage:
        """A page of the subjects whose names contain `search`: see `semelha.store.listing`."""
        return find_subjects(self._rows, search, sort, after, limit)

    def subject_count(self) -> int:
        """The number of subjects."""
        return int(self._rows("SELECT count(*) FROM subjects")[0][0])

    def subject(self, name: str) -> Subject:
        """The record of a subject, by its name. Raises `SubjectNotFound`."""
        rows = self._rows(f"{SUBJECTS} WHERE name = ?", (name,))
        if not rows:
            raise SubjectNotFound(f"no subject is called {name!r}")
        return Subject(*rows[0])

    def has_subject(self, name: str) -> bool:
        """Whether a subject has that name."""
        return bool(self._rows("SELECT 1 FROM subjects WHERE name = ?", (name,)))

    def number_of(self, name: str) -> int | None:
        """Number of the subject of that name, or None."""
        rows = self._rows("SELECT id FROM subjects WHERE name = ?", (name,))
        return int(rows[0][0]) if rows else None

    def name_of(self, number: int) -> str | None:
        """Name of the subject of that number, or None."""
        rows = self._rows("SELECT name FROM subjects WHERE id = ?", (number,))
        return rows[0][0] if rows else None

    def has_picture(self, content_hash: str) -> bool:
        """Whether a picture is an example of any subject."""
        return bool(self._rows("SELECT 1 FROM examples WHERE content_hash = ? LIMIT 1", (content_hash,)))

    @property
    def hash_basis(self) -> HashBasis:
        """How content hashes are computed: see `semelha.images.content`."""
        return hash_basis_of(self._db)

    def names(self, since: int = 0) -> dict[int, str]:
        """Names, by number, of the subjects that are new, renamed or have other examples since a change."""
        return dict(self._rows("SELECT id, name FROM subjects WHERE change > ? ORDER BY change, id", (since,)))

    def merges(self) -> list[Merge]:
        """List every merge that can be undone, oldest first."""
        return [Merge(*row) for row in self._rows(LISTED)]

    def audit(self, subject: int | None, before: int | None, limit: int) -> list[AuditEntry]:
        """Entries of the audit log, newest first: of a subject, by its number, and before an entry, unless None."""
        conditions, values = ["id < ?"], [MAX_NUMBER if before is None else before]
        if subject is not None:
            conditions.append("(subject = ? OR other = ?)")
            values += [subject, subject]
        query = f"{audit.LISTED} WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?"
        return [
            AuditEntry(number, time, who, action, name, of, other_name, other, item, examples, detail)
            for number, time, who, action, of, name, other, other_name, item, examples, detail in self._rows(
                query, (*values, limit)
            )
        ]

    def has_rejections(self) -> bool:
        """Whether there is any rejection."""
        return bool(self._rows("SELECT 1 FROM rejections LIMIT 1"))

    def rejections(self, subject: str | None, after: int = 0, limit: int = -1) -> list[Rejection]:
        """List rejections of a subject, or all, without pictures that are its examples. Raises `SubjectNotFound`."""
        if subject is not None:
            self._check_subject(subject)
        found = self._rows(examples.REJECTIONS_LISTED, (subject, after, limit))
        return [replace(one, picture=self._file(one.picture)) for one in (Rejection(*row) for row in found)]

    def rejected(self, subjects: Iterable[str]) -> list[tuple[str, str, NDArray[np.float32]]]:
        """Rejections of subjects, by name: name, content hash and vector (d,) of each."""
        rows = self._among(examples.REJECTED_VECTORS, subjects)
        return [(name, content, _vector(blob)) for name, content, blob in rows]

    # Examples.

    def __len__(self) -> int:
        return int(self._rows("SELECT count(*) FROM examples")[0][0])

    def examples(self, subject: str) -> list[StoredExample]:
        """Examples of a subject, by its name, in the order of enrollment. Raises `SubjectNotFound`."""
        self._check_subject(subject)
        rows = self._rows(examples.LISTED, (subject,))
        return [StoredExample(number, subject, source, created, bool(kept)) for number, source, created, kept in rows]

    def example(self, number: int) -> StoredExample:
        """An example, by its number. Raises `NumberNotFound`."""
        rows = self._rows(examples.LISTED_ONE, (number,))
        if not rows:
            raise NumberNotFound(f"there is no example {number}: it was removed, or its subject was")
        number, subject, source, created, kept = rows[0]
        return StoredExample(number, subject, source, created, bool(kept))

    def find_examples(self, subject: str | None, offset: int, limit: int) -> ExamplePage:
        """A page of the examples of a subject, by its name, or of all, in the order of enrollment.

        A subject that does not exist has none.
        """
        number = None if subject is None else self.number_of(subject)
        if subject is not None and number is None:
            return ExamplePage((), 0)
        where = "" if number is None else " WHERE subject_id = ?"
        values = () if number is None else (number,)
        query = f"{examples.LISTED_ALL}{where} ORDER BY examples.id LIMIT ? OFFSET ?"
        rows = self._rows(query, (*values, limit, offset))
        found = [
            StoredExample(example, name, source, created, bool(kept)) for example, name, source, created, kept in rows
        ]
        (total,) = self._rows(f"SELECT count(*) FROM examples{where}", values)[0]
        return ExamplePage(tuple(found), int(total))

    def owners(self, ids: Iterable[int]) -> dict[int, tuple[str, str]]:
        """Subject and source of each of these examples."""
        query = (
            f"SELECT examples.id, name, source, {self._condition('examples', 'subjects')} FROM json_each(?) AS wanted"
            " JOIN examples ON examples.id = wanted.value JOIN subjects ON subjects.id = subject_id"
        )
        return {
            example: (name, self._checked("examples", example, source, intact))
            for example, name, source, intact in self._among(query, ids)
        }

    def subjects_of(self, ids: Iterable[int]) -> dict[int, int]:
        """Number of the subject of each of these examples."""
        query = (
            f"SELECT examples.id, subject_id, {self._condition('examples')} FROM json_each(?) AS wanted"
            " JOIN examples ON examples.id = wanted.value"
        )
        return {
            example: self._checked("examples", example, subject, intact)
            for example, subject, intact in self._among(query, ids)
        }

    def examples_of(self, subject: int) -> list[tuple[int, str]]:
        """Number and content hash of the examples of a subject, by its number."""
        return self._rows("SELECT id, content_hash FROM examples WHERE subject_id = ? ORDER BY id", (subject,))

    def vectors(self, ids: Iterable[int]) -> dict[int, NDArray[np.float32]]:
        """Vector (d,) of each of these examples."""
        query = (
            f"SELECT example_id, data, {self._condition('vectors')} FROM json_each(?) AS wanted"
            " JOIN vectors ON example_id = wanted.value"
        )
        rows = self._among(query, ids)
        blobs = self._resolved([self._checked("vectors", example, blob, intact) for example, blob, intact in rows])
        return {example: _vector(blob) for (example, *_), blob in zip(rows, blobs, strict=True)}

    def vectors_of(self, subject: str) -> NDArray[np.float32]:
        """Vectors (examples, d) of a subject, by its name; empty if there is none."""
        return self._stacked(
            f"SELECT example_id, data, {self._condition('vectors')} FROM subjects"
            " JOIN examples ON subject_id = subjects.id JOIN vectors ON example_id = examples.id"
            " WHERE name = ? ORDER BY example_id",
            (subject,),
            "SELECT count(*) FROM examples JOIN subjects ON subjects.id = subject_id WHERE name = ?",
        )[1]

    def picture(self, example: int) -> bytes | None:
        """The small copy that was kept of an example; None if none was kept."""
        rows = self._rows(f"SELECT data, {is_intact('pictures')} FROM pictures WHERE example_id = ?", (example,))
        return self._file(self._checked("pictures", example, *rows[0])) if rows else None

    # Reviews.

    def review_state(self) -> tuple[int, int]:
        """Another pair after every change of the reviews: the number of the last one ever, and how many there are."""
        last, count = self._rows(reviews.STATE)[0]
        return int(last), int(count)

    def review_kinds(self) -> dict[int, ReviewKind]:
        """The kind of every review, by its number."""
        return dict(self._rows(reviews.KINDS))

    def reviews(self, numbers: Iterable[int]) -> dict[int, StoredReview]:
        """These reviews, by number."""
        return {row[0]: reviews.review_of(row) for row in self._among(reviews.LISTED, numbers)}

    def review_vectors(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """All reviews: numbers (n,), ascending, and vectors (n, d)."""
        query = f"SELECT id, vector, {self._condition('reviews')} FROM reviews ORDER BY id"
        return self._stacked(query, (), "SELECT count(*) FROM reviews")

    def review_picture(self, number: int) -> bytes | None:
        """The small copy that was kept of the picture of a review, if any. Raises `NumberNotFound`."""
        rows = self._rows(reviews.PICTURE, (number,))
        if not rows:
            raise NumberNotFound(f"there is no review {number}: it was resolved, dismissed or dropped for newer ones")
        return self._file(rows[0][0])

    # Re-embedding with another model.

    def hashes(self, place: Place) -> dict[int, str]:
        """Content hash of every picture of a place, by its number there."""
        return dict(self._rows(place.hashes))

    def kept(self, place: Place, numbers: Iterable[int]) -> list[Kept]:
        """The pictures of a place, by number, that can be embedded again; removed ones are left out."""
        found = [Kept(*row) for row in self._among(place.rows, numbers)]
        return [replace(one, picture=self._file(one.picture)) for one in found]

    # Changes.

    def added_since(self, change: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Examples that were added after a change, 0 for all: numbers (n,) and vectors (n, d)."""
        # A later example has a higher number, so this is their order; ordered by id alone SQLite would scan them all.
        return self._stacked(
            f"SELECT id, data, {self._condition('vectors')} FROM examples JOIN vectors ON example_id = id"
            " WHERE change > ? ORDER BY change, id",
            (change,),
            "SELECT count(*) FROM examples WHERE change > ?",
        )

    def removed_since(self, change: int) -> NDArray[np.int64]:
        """Examples (n,) of a change that were removed since. Raises `ValueError` if the log does not cover it."""
        if not self.reaches(change):
            raise ValueError(f"the log of removed examples was trimmed after the change {change}")
        rows = self._rows("SELECT example FROM removed WHERE change > ? AND added <= ?", (change, change))
        return np.array([example for (example,) in rows], np.int64)

    def reaches(self, change: int) -> bool:
        """Whether a change is one of this database, and the log of removed examples covers the time since."""
        if change == 0:
            return self.trimmed == 0
        return change >= self.trimmed and bool(self._rows("SELECT 1 FROM changes WHERE number = ?", (change,)))

    @property
    def trimmed(self) -> int:
        """The change up to which the log of removed examples was trimmed; 0 if it never was."""
        return int(self._meta("trimmed"))

    # Calibration.

    def screened(self) -> NDArray[np.int64]:
        """Numbers of the subjects that were enrolled from a picture that had been called unknown, ascending: (n,)."""
        rows = self._rows("SELECT id FROM subjects WHERE screened ORDER BY id")
        return np.array([number for (number,) in rows], np.int64)

    def plan(self) -> Plan | None:
        """The plan of the calibration; None without one. Raises `GalleryError` if it is damaged."""
        try:
            found = self._meta("calibration")
            return None if found is None else plan_of(found)
        except ValueError as error:
            why = "its calibration cannot be read" if isinstance(error, json.JSONDecodeError) else str(error)
            raise damaged(self._path, why) from error

    def strangers(self) -> Strangers:
        """The strangers that were passed to the calibration."""
        query = f"SELECT id, vector, {self._condition('strangers')} FROM strangers ORDER BY id"
        vectors = self._stacked(query, (), "SELECT count(*) FROM strangers")[1]
        rows = self._rows("SELECT subject FROM strangers ORDER BY id")
        return Strangers(np.array([subject for (subject,) in rows], np.int64), vectors)

    def scores(self) -> Scores | None:
        """The scores that were saved for the plan; None if they are missing or damaged."""
        rows = self._rows("SELECT change, subjects, examples, nearest, distances, own, further FROM scores")
        return scores_of(rows[0][0], rows[0][1:]) if rows else None

    def _resolved(self, values: Sequence[bytes]) -> list[bytes]:
        """Vectors, for what their columns have: the vectors themselves, or else where they are kept."""
        return list(values)

    def _file(self, value: bytes | None) -> bytes | None:
        """A picture, for what its column has: the picture itself, or else where it is kept."""
        return value

    def _condition(self, *tables: str) -> str:
        """A condition of SQL: the rows are intact; true where the whole database was checked already."""
        return "1" if self._is_checked() else " AND ".join(map(is_intact, tables))

    def _checked(self, table: str, number: int, value: Value, intact: int) -> Value:
        if not intact:
            raise damaged(self._path, str(described(self._db, table, number)))
        return value

    def _check_subject(self, name: str) -> None:
        if not self.has_subject(name):
            raise SubjectNotFound(f"no subject is called {name!r}")

    def _meta(self, key: str) -> Any:
        with translating_errors(self._path, "read"):
            return meta_of(self._db, key)

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        with translating_errors(self._path, "read"):
            return self._db.execute(query, values).fetchall()

    def _among(self, query: str, ids: Iterable[int] | Iterable[str]) -> list[Any]:
        """Rows of a query whose one parameter is a list of numbers or names."""
        return self._rows(query, (json.dumps(list(ids)),))

    def _stacked(
        self, query: str, values: tuple[object, ...], count: str
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Numbers and vectors of a query, read a few rows at a time, so that a million fit into memory."""
        (total,) = self._rows(count, values)[0]
        ids, vectors, done = np.empty(total, np.int64), np.empty((total, 0), np.float32), 0
        with translating_errors(self._path, "read"):
            cursor = self._db.execute(query, values)
            while rows := cursor.fetchmany(ROWS):
                numbers, stored, intact = zip(*rows, strict=True)
                if not all(intact):
                    raise damaged(self._path, f"the vector {numbers[intact.index(0)]}")
                blobs = self._resolved(stored)
                if not done:
                    vectors = np.empty((total, len(blobs[0]) // 4), np.float32)
                part = slice(done, done + len(rows))
                ids[part], done = numbers, part.stop
                if {len(blob) for blob in blobs} != {4 * vectors.shape[1]}:
                    raise damaged(self._path, "its vectors are of different lengths")
                vectors[part] = _vector(b"".join(blobs)).reshape(len(rows), -1)
        if done != total:
            raise damaged(self._path, f"{total - done} of its examples have no vector")
        return ids, vectors


def _vector(blob: bytes) -> NDArray[np.float32]:
    return np.frombuffer(blob, "<f4")
