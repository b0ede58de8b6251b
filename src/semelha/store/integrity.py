"""Checksums of the rows of the database: damage on the disk is found, named, and costs only what is damaged.

Triggers keep a checksum of every row in the table `checksums`. What is wrong in the structure of the file SQLite
reports itself; a number that changed inside a row it cannot see.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
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
    "reviews": ("id", "content_hash", "kind", "source", "created", "answer", "vector"),
}
"""The columns of each table that its checksums cover; the number of a table is its position.

Pictures of reviews are many and soon deleted: to read all of them would slow every opening.
"""

_NUMBERS = {table: number for number, table in enumerate(CHECKED)}
EXAMPLE_OF = {"examples": "id", "vectors": "example_id", "pictures": "example_id"}
"""Tables of which a row belongs to an example, and the column of its number."""


CREATION = (
    "CREATE TABLE checksums (kind INTEGER NOT NULL, row INTEGER NOT NULL, value INTEGER NOT NULL,"
    " PRIMARY KEY (kind, row)) STRICT, WITHOUT ROWID"
)


def triggers(tables: Iterable[str]) -> Iterator[str]:
    """Statements that create the triggers that keep the checksums of tables, and the checksums of their rows."""
    for table in tables:
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
        if self.table in EXAMPLE_OF:
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


def is_sound(db: sqlite3.Connection) -> bool:
    """Whether SQLite finds no fault in any page. Reads the whole file."""
    return bool(db.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))


def is_damaged(db: sqlite3.Connection) -> bool:
    """Whether a page or a row is damaged; rows of a database of an older version have no checksums yet."""
    try:
        has_checksums = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'checksums'").fetchone()
        return not is_sound(db) or bool(has_checksums and damaged_rows(db))
    except sqlite3.DatabaseError:
        return True


def described(db: sqlite3.Connection, table: str, row: int) -> Damage:
    """A damaged row, with the subject and the picture that it belongs to, where the rows that say so are intact."""
    found = db.execute(OWNER, (row,)).fetchone() if table in EXAMPLE_OF else None
    name, source = found[:2] if found is not None else (None, None)
    return Damage(table, row, name or "", source or "")


OWNER = (
    f"SELECT CASE WHEN {is_intact('examples')} AND {is_intact('subjects')} THEN name END,"
    f" CASE WHEN {is_intact('examples')} THEN source END, subject_id"
    " FROM examples LEFT JOIN subjects ON subjects.id = subject_id WHERE examples.id = ?"
)
"""Name of the subject and source of an example, each if the rows that say so are intact, and number of the subject."""


def forget_checksum(db: sqlite3.Connection, one: Damage) -> None:
    """Delete the checksum of a row that is gone, in the caller's transaction."""
    db.execute("DELETE FROM checksums WHERE kind = ? AND row = ?", (_NUMBERS[one.table], one.row))
