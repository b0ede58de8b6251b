"""Checksums of the rows of the database: damage on the disk is found, named, and costs only what is damaged.

Triggers keep a checksum of every row in the table `checksums`. What is wrong in the structure of the file SQLite
reports itself; a number that changed inside a row it cannot see.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CHECKED = {
    "meta": ("key", "value"),
    "subjects": ("id", "name", "folded", "created", "change", "screened"),
    "examples": ("id", "subject_id", "content_hash", "source", "created", "change"),
    "vectors": ("example_id", "data"),
    "pictures": ("example_id", "data"),
    "strangers": ("id", "vector", "subject"),
    "scores": ("change", "subjects", "examples", "nearest", "distances", "own", "further"),
    "merges": ("id", "source", "source_number", "source_created", "source_screened", "holder", "inside", "created"),
    "set_aside": ("merge", "example", "content_hash", "source", "created", "vector", "picture"),
    "rejections": ("id", "subject_id", "content_hash", "source", "created", "vector", "picture"),
}
"""The columns of each table that its checksums cover; the number of a table is its position."""

_NUMBERS = {table: number for number, table in enumerate(CHECKED)}
_EXAMPLE_OF = {"examples": "id", "vectors": "example_id", "pictures": "example_id"}


def creation() -> Iterator[str]:
    """Statements that create the checksums of a database and the triggers that keep them."""
    yield (
        "CREATE TABLE checksums (kind INTEGER NOT NULL, row INTEGER NOT NULL, value INTEGER NOT NULL,"
        " PRIMARY KEY (kind, row)) STRICT, WITHOUT ROWID"
    )
    for table in CHECKED:
        number = _NUMBERS[table]
        # No statement may replace rows (INSERT OR REPLACE): that fires no trigger for the row that goes.
        again = f"UPDATE checksums SET value = {_checksum(table, 'NEW')} WHERE kind = {number} AND row = NEW.rowid;"
        forget = f"DELETE FROM checksums WHERE kind = {number} AND row = "
        put = f"INSERT INTO checksums VALUES ({number}, NEW.rowid, {_checksum(table, 'NEW')});"
        yield f"CREATE TRIGGER {table}_inserted AFTER INSERT ON {table} BEGIN {put} END"
        yield f"CREATE TRIGGER {table}_updated AFTER UPDATE ON {table} BEGIN {again} END"
        yield f"CREATE TRIGGER {table}_deleted AFTER DELETE ON {table} BEGIN {forget}OLD.rowid; END"
        yield f"INSERT INTO checksums SELECT {number}, rowid, {_checksum(table, table)} FROM {table}"


def _checksum(table: str, name: str) -> str:
    # As bytes, because text that is damaged may be no UTF-8.
    return f"checksum({', '.join(f'CAST({name}.{column} AS BLOB)' for column in CHECKED[table])})"


def is_intact(table: str) -> str:
    """A condition of SQL: a row of the table has its checksum."""
    stored = f"SELECT value FROM checksums WHERE kind = {_NUMBERS[table]} AND row = {table}.rowid"
    return f"({_checksum(table, table)} IS ({stored}))"


@dataclass(frozen=True)
class Damage:
    """A damaged row of the database: its table and number, and the subject and picture it belongs to, "" if unknown."""

    table: str
    row: int
    subject: str = ""
    source: str = ""

    def __str__(self) -> str:
        if self.table in _EXAMPLE_OF:
            part = {"examples": "", "vectors": "the vector of ", "pictures": "the picture of "}[self.table]
            return f"{part}the example {self.row} ({self.source or '?'}) of {self.subject or '?'}"
        names = {
            "subjects": f"the subject {self.subject or self.row}",
            "scores": "the scores of the calibration",
            "meta": "a setting of the gallery, such as its calibration",
        }
        return names.get(self.table, f"row {self.row} of the {self.table.replace('_', ' ')}")


def damaged_rows(db: sqlite3.Connection, tables: Sequence[str] = tuple(CHECKED)) -> list[Damage]:
    """Find every row of these tables that is damaged or lost. Raises `sqlite3.Error` where a page is damaged."""
    found: list[Damage] = []
    for table in tables:
        rows = db.execute(f"SELECT rowid FROM {table} WHERE NOT {is_intact(table)} ORDER BY rowid").fetchall()
        lost = db.execute(
            f"SELECT row FROM checksums WHERE kind = {_NUMBERS[table]} AND row NOT IN (SELECT rowid FROM {table})"
        ).fetchall()
        found += [described(db, table, row) for (row,) in [*rows, *lost]]
    return found


def has_structural_faults(db: sqlite3.Connection) -> bool:
    """Whether pages or SQL indexes of the tables by which all others are found are damaged, as far as SQLite sees."""
    tables = ("meta", "subjects", "examples", "checksums")
    return any(db.execute(f"PRAGMA integrity_check({table})").fetchone() != ("ok",) for table in tables)


def is_damaged(db: sqlite3.Connection) -> bool:
    """Whether anything in the database is damaged. Reads all of it."""
    try:
        return db.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",) or bool(damaged_rows(db))
    except sqlite3.DatabaseError:
        return True


def described(db: sqlite3.Connection, table: str, row: int) -> Damage:
    """A damaged row, with the subject and the picture that it belongs to, where the rows that say so are intact."""
    found = db.execute(_OWNER, (row,)).fetchone() if table in _EXAMPLE_OF else None
    name, source = found[:2] if found is not None else (None, None)
    return Damage(table, row, name or "", source or "")


_OWNER = (
    f"SELECT CASE WHEN {is_intact('examples')} AND {is_intact('subjects')} THEN name END,"
    f" CASE WHEN {is_intact('examples')} THEN source END, subject_id"
    " FROM examples LEFT JOIN subjects ON subjects.id = subject_id WHERE examples.id = ?"
)


def forget_checksum(db: sqlite3.Connection, one: Damage) -> None:
    """Delete the checksum of a row that is gone, in the caller's transaction."""
    db.execute("DELETE FROM checksums WHERE kind = ? AND row = ?", (_NUMBERS[one.table], one.row))


def set_aside(db: sqlite3.Connection, damage: Sequence[Damage], change: int) -> None:
    """Take damaged rows out of their tables, in the caller's transaction, which is the `change`.

    All but scores is recorded in the table `damaged`. Examples, also those of a damaged subject, are removed as by
    hand; their subject is recorded if the rows that name it are intact, and the copy of the picture if it is. The index
    on disk and the scores are made anew.
    """
    examples = [one.row for one in damage if one.table in _EXAMPLE_OF]
    for one in damage:
        if one.table == "subjects":
            examples += [row for (row,) in db.execute("SELECT id FROM examples WHERE subject_id = ?", (one.row,))]
    for example in dict.fromkeys(examples):
        _set_example_aside(db, example, change)
    for one in damage:
        if one.table not in _EXAMPLE_OF:
            if one.table not in ("scores", "subjects"):
                db.execute("INSERT INTO damaged (kind, row) VALUES (?, ?)", (one.table, one.row))
            db.execute(f"DELETE FROM {one.table} WHERE rowid = ?", (one.row,))
        forget_checksum(db, one)
    db.execute("DELETE FROM scores")
    db.execute("DELETE FROM removed")
    db.execute(
        "INSERT INTO meta VALUES ('trimmed', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (str(change),)
    )
    db.execute("UPDATE meta SET value = json_set(value, '$.change', ?) WHERE key = 'calibration'", (change,))


def _set_example_aside(db: sqlite3.Connection, example: int, change: int) -> None:
    name, source, subject = db.execute(_OWNER, (example,)).fetchone() or (None, None, None)
    query = f"SELECT data FROM pictures WHERE example_id = ? AND {is_intact('pictures')}"
    picture = (db.execute(query, (example,)).fetchone() or (None,))[0]
    db.execute("INSERT INTO damaged VALUES ('examples', ?, ?, ?, ?)", (example, name, source, picture))
    for table, column in _EXAMPLE_OF.items():
        db.execute(f"DELETE FROM {table} WHERE {column} = ?", (example,))
    if db.execute("SELECT 1 FROM examples WHERE subject_id = ?", (subject,)).fetchone():
        db.execute("UPDATE subjects SET change = ? WHERE id = ?", (change, subject))
    else:
        db.execute("DELETE FROM subjects WHERE id = ?", (subject,))
