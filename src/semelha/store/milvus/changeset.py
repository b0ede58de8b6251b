"""Changes of a database as data: read out of one after a transaction, and made in another.

Triggers of the connection note the key of every row that is inserted, updated or deleted. A changeset has the present
rows of these keys, or says that they are gone; made in a database with the state before, it gives the state after.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from pydantic import TypeAdapter

from semelha.errors import GalleryError

ROWS = 50_000  # of a changeset of a whole database, at most
BYTES = 64 << 20  # after which another one begins
MAX_UNPACKED = 1 << 30  # bytes of a changeset
OWN = ("checksums",)  # tables that the triggers of each database keep
SEQUENCES = "sqlite_sequence"  # the highest number that each table ever had


@dataclass(frozen=True)
class Table:
    """A table: its columns, and those by which a row is known everywhere."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @cached_property
    def listed(self) -> str:
        """The columns, in SQL."""
        return ", ".join(self.columns)

    @cached_property
    def same(self) -> str:
        """The condition, in SQL, that a row has a key."""
        return " AND ".join(f"{column} = ?" for column in self.key)

    def key_of(self, row: Sequence[Any]) -> list[Any]:
        """The key of a row."""
        return [row[self.columns.index(column)] for column in self.key]


Changeset = dict[str, dict[str, list[list[Any]]]]
"""By table: the rows to "put", and the keys to "drop"."""


def tables_of(db: sqlite3.Connection) -> dict[str, Table]:
    """The tables of a database whose changes are read."""
    found = {}
    for (name,) in db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
        if name in OWN or name.startswith("sqlite_"):
            continue
        columns = db.execute(f"PRAGMA main.table_info({name})").fetchall()
        names = tuple(column[1] for column in columns)
        key = tuple(column[1] for column in sorted(columns, key=lambda one: one[5]) if column[5])
        found[name] = Table(name, names, key) if key else Table(name, ("rowid", *names), ("rowid",))
    return found


class ChangeLog:
    """Notes what the transactions of a connection change."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.tables = tables_of(db)
        db.execute("CREATE TEMP TABLE changed (name TEXT, key TEXT)")
        db.execute("CREATE INDEX temp.changed_by_name ON changed (name)")
        for table in self.tables.values():
            for event, rows in {"INSERT": ["NEW"], "UPDATE": ["OLD", "NEW"], "DELETE": ["OLD"]}.items():
                notes = ""
                for row in rows:
                    key = ", ".join(f"{row}.{column}" for column in table.key)
                    notes += f"INSERT INTO changed VALUES ('{table.name}', json_array({key})); "
                db.execute(
                    f"CREATE TEMP TRIGGER changed_{table.name}_{event} AFTER {event} ON main.{table.name}"
                    f" BEGIN {notes}END"
                )

    def forget(self) -> None:
        """Forget what was changed."""
        self._db.execute("DELETE FROM temp.changed")

    def changed(self, name: str) -> list[list[Any]]:
        """Keys of the rows of a table that were inserted, updated or deleted."""
        return [
            json.loads(key) for (key,) in self._db.execute("SELECT DISTINCT key FROM changed WHERE name = ?", (name,))
        ]

    def changeset(self) -> Changeset:
        """What was changed since `forget`."""
        found: Changeset = {}
        for name, table in self.tables.items():
            put, drop = [], []
            for key in self.changed(name):
                row = self._db.execute(f"SELECT {table.listed} FROM {name} WHERE {table.same}", key).fetchone()
                if row is None:
                    drop.append(key)
                else:
                    put.append(list(row))
            if put or drop:
                found[name] = {"put": put, "drop": drop}
        if found:
            found[SEQUENCES] = {"put": _sequences(self._db), "drop": []}
        return found

    def apply(self, changes: Changeset) -> None:
        """Make changes, in the caller's transaction; foreign keys must not be enforced."""
        for name, table in self.tables.items():
            gone = changes.get(name, {"put": [], "drop": []})
            keys = [*gone["drop"], *map(table.key_of, gone["put"])]
            self._db.executemany(f"DELETE FROM {name} WHERE {table.same}", keys)
        for name, table in self.tables.items():
            if rows := changes.get(name, {"put": []})["put"]:
                marks = ", ".join("?" * len(table.columns))
                self._db.executemany(f"INSERT INTO {name} ({table.listed}) VALUES ({marks})", rows)
        for name, number in changes.get(SEQUENCES, {"put": []})["put"]:
            self._db.execute(f"DELETE FROM {SEQUENCES} WHERE name = ?", (name,))
            self._db.execute(f"INSERT INTO {SEQUENCES} VALUES (?, ?)", (name, number))
        self.forget()

    def clear(self) -> None:
        """Delete every row, in the caller's transaction; foreign keys must not be enforced."""
        for name in self.tables:
            self._db.execute(f"DELETE FROM {name}")
        self.forget()


def whole(db: sqlite3.Connection) -> Iterator[Changeset]:
    """Everything in a database, in changesets that each fit into memory."""
    for name, table in tables_of(db).items():
        rows = db.execute(f"SELECT {table.listed} FROM {name} ORDER BY {', '.join(table.key)}")
        some: list[list[Any]] = []
        size = 0
        for row in rows:
            some.append(list(row))
            size += sum(len(value) for value in row if isinstance(value, bytes | str))
            if len(some) >= ROWS or size >= BYTES:
                yield {name: {"put": some, "drop": []}}
                some, size = [], 0
        if some:
            yield {name: {"put": some, "drop": []}}
    yield {SEQUENCES: {"put": _sequences(db), "drop": []}}


def _sequences(db: sqlite3.Connection) -> list[list[Any]]:
    return [list(row) for row in db.execute(f"SELECT name, seq FROM {SEQUENCES} ORDER BY name")]


def encode(changes: Changeset) -> str:
    """A changeset as text. Raises `GalleryError` if it is larger than `MAX_UNPACKED`."""
    text = json.dumps(changes, separators=(",", ":"), default=lambda blob: {"b": base64.b64encode(blob).decode()})
    content = text.encode()
    if len(content) > MAX_UNPACKED:
        raise GalleryError(f"a change of {len(content):,} bytes is too large: make it in parts")
    return base64.b64encode(zlib.compress(content, 6)).decode()


def decode(text: str) -> Changeset:
    """The changeset of a text. Raises `GalleryError` if it is none, or unpacks to more than `MAX_UNPACKED`."""
    try:
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(base64.b64decode(text, validate=True), MAX_UNPACKED)
        if not unpacker.eof:
            raise GalleryError("the journal of the gallery on Milvus is damaged: a change is cut off, or too large")
        return _adapter().validate_python(json.loads(content, object_hook=_blob))
    except (ValueError, zlib.error, RecursionError) as error:
        raise GalleryError("the journal of the gallery on Milvus is damaged: a change in it is no change") from error


@cache
def _adapter() -> TypeAdapter[Changeset]:
    return TypeAdapter(Changeset)


def _blob(found: dict[str, Any]) -> Any:
    return base64.b64decode(found["b"], validate=True) if found.keys() == {"b"} else found
