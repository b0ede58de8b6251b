"""Rejections: pictures that do not show a subject."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from semelha.errors import GalleryError
from semelha.store.database import now
from semelha.store.records import NewExample

# After a merge a rejected picture may be an example of the subject: then the example counts.
HONORED = (
    "rejections JOIN subjects ON subjects.id = rejections.subject_id WHERE NOT EXISTS (SELECT 1 FROM examples"
    " WHERE examples.subject_id = rejections.subject_id AND examples.content_hash = rejections.content_hash)"
)
LISTED = (
    "SELECT rejections.id, name, content_hash, source, rejections.created, picture"
    f" FROM {HONORED} AND name = ? ORDER BY rejections.id"
)
BARRING = f"SELECT name, content_hash, vector FROM {HONORED} AND name IN (SELECT value FROM json_each(?))"


def reject(db: sqlite3.Connection, subject: int, name: str, new: NewExample) -> int:
    """Record that a picture does not show a subject, in the caller's transaction. Returns its number.

    Raises `GalleryError` if the same picture is an example of the subject.
    """
    very = (subject, new.content_hash)
    if db.execute("SELECT 1 FROM examples WHERE subject_id = ? AND content_hash = ?", very).fetchone():
        raise GalleryError(f"{new.source} is an example of {name} itself: it cannot be rejected too")
    known = db.execute("SELECT id FROM rejections WHERE subject_id = ? AND content_hash = ?", very).fetchone()
    if known is not None:
        return int(known[0])
    return int(
        db.execute(
            "INSERT INTO rejections (subject_id, content_hash, source, created, vector, picture)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (*very, new.source, now(), new.vector.astype("<f4").tobytes(), new.picture),
        ).lastrowid
        or 0
    )


def withdraw(db: sqlite3.Connection, number: int) -> None:
    """Delete a rejection, and those of the same picture that came with a merge. Raises `GalleryError`."""
    very = db.execute("SELECT subject_id, content_hash FROM rejections WHERE id = ?", (number,)).fetchone()
    if very is None:
        raise GalleryError(f"there is no rejection {number}: it was withdrawn, or its subject was removed")
    db.execute("DELETE FROM rejections WHERE subject_id = ? AND content_hash = ?", very)


def forget_enrolled(db: sqlite3.Connection, subject: int, hashes: Iterable[str]) -> None:
    """Delete the rejections of pictures, by content hash, that are examples of the subject now."""
    rows = [(subject, content) for content in hashes]
    if db.execute("SELECT 1 FROM rejections WHERE subject_id = ?", (subject,)).fetchone():
        db.executemany("DELETE FROM rejections WHERE subject_id = ? AND content_hash = ?", rows)


def follow(db: sqlite3.Connection, merge: int, source: int, into: int) -> None:
    """Move the rejections of a subject to that with which it is merged."""
    db.execute("INSERT INTO moved_rejections SELECT ?, id FROM rejections WHERE subject_id = ?", (merge, source))
    db.execute("UPDATE rejections SET subject_id = ? WHERE subject_id = ?", (into, source))


def part(db: sqlite3.Connection, merge: int, holder: int, source: int) -> None:
    """Give a subject back the rejections that `follow` moved."""
    db.execute(
        "UPDATE rejections SET subject_id = ? WHERE subject_id = ?"
        " AND id IN (SELECT rejection FROM moved_rejections WHERE merge = ?)",
        (source, holder, merge),
    )
