"""Examples of subjects in the database, and rejections: pictures that do not show a subject.

A removed or moved example is also forgotten by the merges that its subject came from: an unmerge brings neither it nor
a copy of the same picture back. A subject without examples is removed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from semelha.errors import ChangeRefused, NumberNotFound, UsageError
from semelha.store import reviews
from semelha.store.audit import NEW_SUBJECT, record
from semelha.store.database import now
from semelha.store.records import Addition, NewExample

LISTED = (
    "SELECT id, source, created, EXISTS (SELECT 1 FROM pictures WHERE example_id = id) FROM examples"
    " WHERE subject_id = (SELECT id FROM subjects WHERE name = ?) ORDER BY id"
)
LISTED_ALL = (
    "SELECT examples.id, name, source, examples.created,"
    " EXISTS (SELECT 1 FROM pictures WHERE example_id = examples.id)"
    " FROM examples JOIN subjects ON subjects.id = subject_id"
)
LISTED_ONE = f"{LISTED_ALL} WHERE examples.id = ?"
_SAME = "SELECT id FROM examples WHERE subject_id = ? AND content_hash = ?"
_SIMILAR_NAMES = "SELECT name FROM subjects WHERE folded = ? AND name <> ? ORDER BY name"
_OTHER_OWNERS = (
    "SELECT name FROM examples JOIN subjects ON subjects.id = subject_id"
    " WHERE content_hash = ? AND subject_id <> ? ORDER BY name"
)
_MERGED_INTO = (
    "WITH RECURSIVE inner (id) AS (SELECT id FROM merges WHERE holder = ?"
    " UNION SELECT merges.id FROM merges JOIN inner ON merges.inside = inner.id)"
)
# After a merge a rejected picture may be an example of the subject: then the example counts.
_REJECTIONS = (
    "rejections JOIN subjects ON subjects.id = rejections.subject_id WHERE NOT EXISTS (SELECT 1 FROM examples"
    " WHERE examples.subject_id = rejections.subject_id AND examples.content_hash = rejections.content_hash)"
)
REJECTIONS_LISTED = (
    "SELECT rejections.id, name, content_hash, source, rejections.created, picture"
    f" FROM {_REJECTIONS} AND name = coalesce(?, name) AND rejections.id > ? ORDER BY rejections.id LIMIT ?"
)
REJECTED_VECTORS = f"SELECT name, content_hash, vector FROM {_REJECTIONS} AND name IN (SELECT value FROM json_each(?))"


def add(
    db: sqlite3.Connection,
    name: str,
    new: Sequence[NewExample],
    change: int,
    created: str,
    *,
    is_screened: bool,
    action: str,
) -> Addition:
    """Add examples to a subject, new or old, in the caller's transaction; `is_screened` is of a new one."""
    known = db.execute("SELECT id FROM subjects WHERE name = ?", (name,)).fetchone()
    similar = []
    if known is None:
        similar = db.execute(_SIMILAR_NAMES, (name.casefold(), name)).fetchall()
    subject = subject_or_new(db, name, change, created)
    numbers, duplicates, same, elsewhere = [], [], [], []
    for example in new:
        owners = [owner for (owner,) in db.execute(_OTHER_OWNERS, (example.content_hash, subject))]
        if owners:
            elsewhere.append((example.source, tuple(owners)))
        number = _insert(db, subject, example, change, created)
        if number is None:
            duplicates.append(example.source)
            same.append(int(db.execute(_SAME, (subject, example.content_hash)).fetchone()[0]))
        else:
            numbers.append(number)
    if known is None:
        db.execute("UPDATE subjects SET screened = ? WHERE id = ?", (is_screened, subject))
    else:
        forget_enrolled(db, subject, (example.content_hash for example in new))
    reviews.forget_enrolled(db, [example.content_hash for example in new])
    record(db, action, subject=subject, examples=len(numbers))
    names = tuple(other for (other,) in similar)
    return Addition(name, tuple(numbers), tuple(duplicates), tuple(elsewhere), names, tuple(same))


def subject_or_new(db: sqlite3.Connection, name: str, change: int, created: str) -> int:
    """Number of the subject of that name, marked as changed; it is created if it is new."""
    row = db.execute(
        f"INSERT INTO subjects (id, name, folded, created, change) VALUES ({NEW_SUBJECT}, ?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET change = excluded.change RETURNING id",
        (name, name.casefold(), created, change),
    ).fetchone()
    return int(row[0])


def remove(db: sqlite3.Connection, example: int, change: int) -> str:
    """Remove an example, in the caller's transaction, and return the name of its subject. Raises `GalleryError`."""
    subject, name, content = _example(db, example)
    _forget(db, example, subject, content)
    _delete(db, example, change)
    touch_or_remove(db, subject, change)
    record(db, "remove_example", subject=subject, item=example, examples=1)
    return name


def move(db: sqlite3.Connection, example: int, into: int, change: int) -> int:
    """Move an example to another subject, by number, in the caller's transaction.

    Returns its new number: that of the same picture, if the other subject has it already. Raises `GalleryError` if the
    example does not exist, and `UsageError` if it is of that subject already.
    """
    subject, name, content = _example(db, example)
    if subject == into:
        raise UsageError(f"the example {example} is of {name} already: name another subject")
    _forget(db, example, subject, content)
    same = db.execute(_SAME, (into, content)).fetchone()
    if same is None:
        db.execute("UPDATE examples SET subject_id = ? WHERE id = ?", (into, example))
        forget_enrolled(db, into, [content])
    else:
        _delete(db, example, change)
    touch_or_remove(db, subject, change)
    record(db, "move_example", subject=subject, other=into, item=example, examples=1)
    return example if same is None else int(same[0])


def remove_subject(db: sqlite3.Connection, subject: int, change: int) -> int:
    """Remove a subject with its examples, in the caller's transaction. Returns the number of examples."""
    logged = db.execute(
        "INSERT INTO removed (change, example, added) SELECT ?, id, change FROM examples WHERE subject_id = ?",
        (change, subject),
    )
    # Its confirmed pictures are strangers now, also to a later subject that gets its number.
    db.execute("UPDATE strangers SET subject = 0 WHERE subject = ?", (subject,))
    db.execute("DELETE FROM damaged WHERE subject = (SELECT name FROM subjects WHERE id = ?)", (subject,))
    db.execute("DELETE FROM subjects WHERE id = ?", (subject,))
    return logged.rowcount


def has_examples(db: sqlite3.Connection, subject: int) -> bool:
    """Whether a subject has any example."""
    return db.execute("SELECT 1 FROM examples WHERE subject_id = ?", (subject,)).fetchone() is not None


def reject(db: sqlite3.Connection, subject: int, name: str, new: NewExample) -> int:
    """Record that a picture does not show a subject, in the caller's transaction. Returns its number.

    Raises `GalleryError` if the same picture is an example of the subject.
    """
    key = (subject, new.content_hash)
    if db.execute("SELECT 1 FROM examples WHERE subject_id = ? AND content_hash = ?", key).fetchone():
        raise ChangeRefused(f"{new.source} is an example of {name} itself: it cannot be rejected too")
    known = db.execute("SELECT id FROM rejections WHERE subject_id = ? AND content_hash = ?", key).fetchone()
    if known is not None:
        return int(known[0])
    number = int(
        db.execute(
            "INSERT INTO rejections (subject_id, content_hash, source, created, vector, picture)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (*key, new.source, now(), new.vector.astype("<f4").tobytes(), new.picture),
        ).lastrowid
        or 0
    )
    record(db, "reject", subject=subject, item=number)
    return number


def withdraw(db: sqlite3.Connection, number: int) -> None:
    """Delete a rejection, and those of the same picture that came with a merge. Raises `GalleryError`."""
    key = db.execute("SELECT subject_id, content_hash FROM rejections WHERE id = ?", (number,)).fetchone()
    if key is None:
        raise NumberNotFound(f"there is no rejection {number}: it was withdrawn, or its subject was removed")
    db.execute("DELETE FROM rejections WHERE subject_id = ? AND content_hash = ?", key)
    record(db, "withdraw_rejection", subject=key[0], item=number)


def forget_enrolled(db: sqlite3.Connection, subject: int, hashes: Iterable[str]) -> None:
    """Delete the rejections of pictures, by content hash, that are examples of the subject now."""
    rows = [(subject, content) for content in hashes]
    if db.execute("SELECT 1 FROM rejections WHERE subject_id = ?", (subject,)).fetchone():
        db.executemany("DELETE FROM rejections WHERE subject_id = ? AND content_hash = ?", rows)


def _example(db: sqlite3.Connection, example: int) -> tuple[int, str, str]:
    """Number and name of the subject of an example, and its content hash."""
    row = db.execute(
        "SELECT subject_id, name, content_hash FROM examples JOIN subjects ON subjects.id = subject_id"
        " WHERE examples.id = ?",
        (example,),
    ).fetchone()
    if row is None:
        raise NumberNotFound(f"there is no example {example}: it was removed, or its subject was")
    return int(row[0]), str(row[1]), str(row[2])


def _insert(db: sqlite3.Connection, subject: int, example: NewExample, change: int, created: str) -> int | None:
    """Number of the new example; None if the subject has the picture already."""
    cursor = db.execute(
        "INSERT OR IGNORE INTO examples (subject_id, content_hash, source, created, change) VALUES (?, ?, ?, ?, ?)",
        (subject, example.content_hash, example.source, created, change),
    )
    if not cursor.rowcount:
        return None
    number = int(cursor.lastrowid or 0)
    db.execute("INSERT INTO vectors VALUES (?, ?)", (number, example.vector.astype("<f4").tobytes()))
    if example.picture is not None:
        db.execute("INSERT INTO pictures VALUES (?, ?)", (number, example.picture))
    return number


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
