"""Single examples: listing those of a subject, removing one, moving one to another subject.

A removed or moved example is also forgotten by the merges that its subject came from: an unmerge brings neither it nor
a copy of the same picture back. A subject without examples is removed.
"""

from __future__ import annotations

import sqlite3

from semelha.errors import GalleryError, UsageError
from semelha.store import rejections

LISTED = (
    "SELECT id, source, created, EXISTS (SELECT 1 FROM pictures WHERE example_id = id) FROM examples"
    " WHERE subject_id = (SELECT id FROM subjects WHERE name = ?) ORDER BY id"
)
_MERGED_INTO = (
    "WITH RECURSIVE inner (id) AS (SELECT id FROM merges WHERE holder = ?"
    " UNION SELECT merges.id FROM merges JOIN inner ON merges.inside = inner.id)"
)


def remove(db: sqlite3.Connection, example: int, change: int) -> str:
    """Remove an example, in a transaction of the caller, and return the name of its subject.

    Raises `GalleryError` if there is no such example.
    """
    subject, name, content = _example(db, example)
    _forget(db, example, subject, content)
    _delete(db, example, change)
    touch_or_remove(db, subject, change)
    return name


def move(db: sqlite3.Connection, example: int, into: int, change: int) -> int:
    """Move an example to another subject, by number, in a transaction of the caller.

    Returns
    -------
    int
        Its number from now on: that of the same picture, if the other subject has it already.

    Raises
    ------
    GalleryError
        There is no such example.
    UsageError
        It is of that subject already.
    """
    subject, name, content = _example(db, example)
    if subject == into:
        raise UsageError(f"the example {example} is of {name} already: name another subject")
    _forget(db, example, subject, content)
    same = db.execute("SELECT id FROM examples WHERE subject_id = ? AND content_hash = ?", (into, content)).fetchone()
    if same is None:
        db.execute("UPDATE examples SET subject_id = ? WHERE id = ?", (into, example))
        rejections.forget_enrolled(db, into, [content])
    else:
        _delete(db, example, change)
    touch_or_remove(db, subject, change)
    return example if same is None else int(same[0])


def remove_subject(db: sqlite3.Connection, subject: int, change: int) -> int:
    """Remove a subject with its examples, in a transaction of the caller. Returns the number of examples."""
    logged = db.execute(
        "INSERT INTO removed (change, example, added) SELECT ?, id, change FROM examples WHERE subject_id = ?",
        (change, subject),
    )
    # Its confirmed pictures are strangers now, also to a later subject that gets its number.
    db.execute("UPDATE strangers SET subject = 0 WHERE subject = ?", (subject,))
    db.execute("DELETE FROM subjects WHERE id = ?", (subject,))
    return logged.rowcount


def has_examples(db: sqlite3.Connection, subject: int) -> bool:
    """Whether a subject has any example."""
    return db.execute("SELECT 1 FROM examples WHERE subject_id = ?", (subject,)).fetchone() is not None


def _example(db: sqlite3.Connection, example: int) -> tuple[int, str, str]:
    """Number and name of the subject of an example, and its content hash."""
    row = db.execute(
        "SELECT subject_id, name, content_hash FROM examples JOIN subjects ON subjects.id = subject_id"
        " WHERE examples.id = ?",
        (example,),
    ).fetchone()
    if row is None:
        raise GalleryError(f"there is no example {example}: it was removed, or its subject was")
    return int(row[0]), str(row[1]), str(row[2])


def _forget(db: sqlite3.Connection, example: int, subject: int, content: str) -> None:
    """Let no unmerge of the subject bring back the example or the same picture; drop merges that have nothing left."""
    copies = "FROM set_aside WHERE merge IN (SELECT id FROM inner) AND content_hash = ?"
    aside = db.execute(f"{_MERGED_INTO} SELECT example {copies}", (subject, content)).fetchall()
    db.executemany("DELETE FROM moved WHERE example = ?", [(example,), *aside])
    db.execute(f"{_MERGED_INTO} DELETE {copies}", (subject, content))
    db.execute(
        f"{_MERGED_INTO} DELETE FROM merges WHERE id IN (SELECT id FROM inner)"
        " AND NOT EXISTS (SELECT 1 FROM moved WHERE merge = merges.id)"
        " AND NOT EXISTS (SELECT 1 FROM set_aside WHERE merge = merges.id)",
        (subject,),
    )


def _delete(db: sqlite3.Connection, example: int, change: int) -> None:
    db.execute(
        "INSERT INTO removed (change, example, added) SELECT ?, id, change FROM examples WHERE id = ?",
        (change, example),
    )
    db.execute("DELETE FROM examples WHERE id = ?", (example,))


def touch_or_remove(db: sqlite3.Connection, subject: int, change: int) -> None:
    """Mark a subject as changed, or remove it if it has no example left."""
    if has_examples(db, subject):
        db.execute("UPDATE subjects SET change = ? WHERE id = ?", (change, subject))
    else:
        remove_subject(db, subject, change)
