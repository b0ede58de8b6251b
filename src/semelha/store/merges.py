"""Merges two subjects into one, and undoes that.

Only the owner of the examples changes, so that no index is affected. Of a picture that both have, that of the source
subject is set aside, with vector and file, and logged as removed; an unmerge restores it under its own number.
"""

from __future__ import annotations

import sqlite3

from semelha.errors import ChangeRefused, NumberNotFound, SubjectExists, UsageError
from semelha.store.audit import NEW_SUBJECT, record
from semelha.store.database import now
from semelha.store.examples import has_examples, touch_or_remove

LISTED = """
SELECT merges.id, merges.source, coalesce(subjects.name, later.source), merges.created,
    (SELECT count(*) FROM moved WHERE merge = merges.id), (SELECT count(*) FROM set_aside WHERE merge = merges.id),
    merges.inside
FROM merges LEFT JOIN subjects ON subjects.id = merges.holder LEFT JOIN merges AS later ON later.id = merges.inside
ORDER BY merges.id
"""
_SHARED = "subject_id = ? AND content_hash IN (SELECT content_hash FROM examples WHERE subject_id = ?)"


def merge(db: sqlite3.Connection, source: int, into: int, change: int) -> int:
    """Merge a subject into another, both by number, in the caller's transaction. Returns the number of the merge.

    Raises `UsageError` if both are the same.
    """
    if source == into:
        raise UsageError("a subject cannot be merged into itself: name two")
    number = int(
        db.execute(
            "INSERT INTO merges (source, source_number, source_created, source_screened, holder, created)"
            " SELECT name, id, created, screened, ?, ? FROM subjects WHERE id = ?",
            (into, now(), source),
        ).lastrowid
        or 0
    )
    db.execute(
        "INSERT INTO set_aside SELECT ?, examples.id, content_hash, source, created, vectors.data, pictures.data"
        " FROM examples JOIN vectors ON vectors.example_id = examples.id"
        f" LEFT JOIN pictures ON pictures.example_id = examples.id WHERE {_SHARED}",
        (number, source, into),
    )
    db.execute(
        f"INSERT INTO removed (change, example, added) SELECT ?, id, change FROM examples WHERE {_SHARED}",
        (change, source, into),
    )
    db.execute(f"DELETE FROM examples WHERE {_SHARED}", (source, into))
    db.execute("INSERT INTO moved SELECT ?, id FROM examples WHERE subject_id = ?", (number, source))
    db.execute("UPDATE examples SET subject_id = ? WHERE subject_id = ?", (into, source))
    db.execute("INSERT INTO moved_rejections SELECT ?, id FROM rejections WHERE subject_id = ?", (number, source))
    db.execute("UPDATE rejections SET subject_id = ? WHERE subject_id = ?", (into, source))
    db.execute("INSERT INTO moved_strangers SELECT ?, id FROM strangers WHERE subject = ?", (number, source))
    db.execute("UPDATE strangers SET subject = ? WHERE subject = ?", (into, source))
    db.execute("UPDATE merges SET holder = NULL, inside = ? WHERE holder = ?", (number, source))
    db.execute("UPDATE subjects SET change = ? WHERE id = ?", (change, into))
    db.execute("DELETE FROM subjects WHERE id = ?", (source,))
    (moved,) = db.execute("SELECT count(*) FROM moved WHERE merge = ?", (number,)).fetchone()
    record(db, "merge", subject=source, other=into, item=number, examples=moved)
    return number


def unmerge(db: sqlite3.Connection, number: int, change: int) -> str:
    """Undo a merge, in the caller's transaction. Returns the name of the subject that exists again.

    Examples that the merged subject got since stay with it. Raises `GalleryError` if the merge does not exist, a later
    one must be undone first, or all of its examples are gone, and `SubjectExists` if another subject has the name.
    """
    found = db.execute(
        "SELECT source, source_number, source_created, source_screened, holder, inside FROM merges WHERE id = ?",
        (number,),
    ).fetchone()
    if found is None:
        raise NumberNotFound(f"there is no merge {number} to undo: it was undone, or what it made was removed")
    name, own, created, screened, holder, inside = found
    if inside is not None:
        raise ChangeRefused(f"what the merge {number} made was merged again: undo the merge {inside} first")
    if db.execute("SELECT 1 FROM subjects WHERE name = ?", (name,)).fetchone():
        raise SubjectExists(f"a subject is called {name!r} already: rename it before the merge is undone")
    if db.execute("SELECT 1 FROM subjects WHERE id = ?", (own,)).fetchone():
        own = None  # a newer subject has its number, in a gallery of an older version
    source = int(
        db.execute(
            "INSERT INTO subjects (id, name, folded, created, screened, change)"
            f" VALUES (coalesce(?, {NEW_SUBJECT}), ?, ?, ?, ?, ?)",
            (own, name, name.casefold(), created, screened, change),
        ).lastrowid
        or 0
    )
    db.execute(
        "UPDATE examples SET subject_id = ? WHERE subject_id = ? AND id IN (SELECT example FROM moved WHERE merge = ?)",
        (source, holder, number),
    )
    db.execute(
        "UPDATE rejections SET subject_id = ? WHERE subject_id = ?"
        " AND id IN (SELECT rejection FROM moved_rejections WHERE merge = ?)",
        (source, holder, number),
    )
    db.execute(
        "UPDATE strangers SET subject = ? WHERE id IN (SELECT stranger FROM moved_strangers WHERE merge = ?)",
        (source, number),
    )
    for (example,) in db.execute("SELECT example FROM set_aside WHERE merge = ?", (number,)).fetchall():
        _put_back(db, number, example, source, change)
    if not has_examples(db, source):
        raise ChangeRefused(f"the merge {number} cannot be undone: every example of {name} was removed or moved since")
    _fill_in(db, holder, number, change)
    db.execute("UPDATE merges SET holder = ?, inside = NULL WHERE inside = ?", (source, number))
    db.execute("DELETE FROM merges WHERE id = ?", (number,))
    touch_or_remove(db, holder, change)
    (back,) = db.execute("SELECT count(*) FROM examples WHERE subject_id = ?", (source,)).fetchone()
    record(db, "unmerge", subject=holder, other=source, item=number, examples=back)
    return str(name)


def _fill_in(db: sqlite3.Connection, holder: int, without: int, change: int) -> None:
    """Restore pictures that the holder lost, of other subjects that had them too and are still merged."""
    rows = db.execute(
        "SELECT merge, min(example) FROM set_aside JOIN merges ON merges.id = merge"
        " WHERE holder = ? AND merge <> ?"
        " AND content_hash NOT IN (SELECT content_hash FROM examples WHERE subject_id = ?) GROUP BY content_hash",
        (holder, without, holder),
    ).fetchall()
    for merge, example in rows:
        _put_back(db, merge, example, holder, change)
        db.execute("INSERT INTO moved VALUES (?, ?)", (merge, example))


def _put_back(db: sqlite3.Connection, merge: int, example: int, subject: int, change: int) -> None:
    aside = "FROM set_aside WHERE merge = ? AND example = ?"
    db.execute(
        "INSERT INTO examples (id, subject_id, content_hash, source, created, change)"
        f" SELECT example, ?, content_hash, source, created, ? {aside}",
        (subject, change, merge, example),
    )
    db.execute(f"INSERT INTO vectors SELECT example, vector {aside}", (merge, example))
    db.execute(f"INSERT INTO pictures SELECT example, picture {aside} AND picture IS NOT NULL", (merge, example))
    db.execute(f"DELETE {aside}", (merge, example))
