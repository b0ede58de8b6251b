"""The whole state of a gallery, read at one change: what copies are made of, and the checksum that verifies them."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from semelha.store import View
from semelha.store.milvus.changeset import SEQUENCES, Changeset, Table, tables_of
from semelha.store.milvus.view import NORM, PICTURES, VECTORS

ROWS = 2000  # that are read at a time
LOCAL = {"unreferenced"}  # tables of a gallery on Milvus alone
KINDS = {**dict.fromkeys(VECTORS.items(), "vector"), **dict.fromkeys(PICTURES.items(), "picture")}

Value = bytes | None
Replace = Callable[[str, list[tuple[str, Value]]], list[Value]]
"""Replaces the values of one kind, "vector" or "picture", each with what names it in the gallery."""


@dataclass(frozen=True)
class Summary:
    """How much a gallery holds, and a checksum of all of it: equal for equal galleries, wherever they are."""

    subjects: int
    examples: int
    checksum: str


def plain_rows(view: View) -> Iterator[tuple[Table, list[list[Any]]]]:
    """Every row of a gallery, some at a time, with its vectors and pictures themselves."""
    for table in _tables(view._db).values():
        for rows in _rows(view._db, table):
            for position, kind in _values(table):
                values = [row[position] for row in rows]
                if kind == "vector":
                    plain: Sequence[Value] = view._resolved(values)
                else:
                    plain = [view._file(one) for one in values]
                for row, value in zip(rows, plain, strict=True):
                    row[position] = value
            yield table, rows


def changesets(view: View, replace: Replace) -> Iterator[Changeset]:
    """Everything in a gallery as changesets, with its vectors and pictures replaced."""
    for table, rows in plain_rows(view):
        for position, kind in _values(table):
            named = [(name_of(table, row, position), row[position]) for row in rows]
            for row, value in zip(rows, replace(kind, named), strict=True):
                row[position] = value
        yield {table.name: {"put": rows, "drop": []}}
    yield {SEQUENCES: {"put": _sequences(view._db), "drop": []}}


def name_of(table: Table, row: Sequence[Any], position: int) -> str:
    """What names a value in the gallery: its table, its row and its column."""
    return json.dumps([table.name, table.columns[position], table.key_of(row)])


def summary_of(view: View) -> Summary:
    """Count a gallery, and compute its checksum. Everything in it is read."""
    digest = hashlib.blake2b(digest_size=16)
    for table, rows in plain_rows(view):
        for row in rows:
            digest.update(json.dumps([table.name, *row], default=_digest).encode())
    digest.update(json.dumps(_sequences(view._db)).encode())
    return Summary(view.subject_count(), len(view), digest.hexdigest())


def state_number(view: View, fingerprint: str) -> int:
    """A number, 40 bits, that hangs on the state of a gallery, and is another one after every change of it."""
    scores = view.scores()
    parts = fingerprint, view.change, view.review_state(), 0 if scores is None else scores.change
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=5).digest(), "big")


def _digest(value: bytes) -> str:
    return hashlib.blake2b(value, digest_size=16).hexdigest()


def _tables(db: sqlite3.Connection) -> dict[str, Table]:
    return {name: table for name, table in tables_of(db).items() if name not in LOCAL}


def _values(table: Table) -> list[tuple[int, str]]:
    """The position and kind of each column of a table that has vectors or pictures that are kept elsewhere."""
    return [
        (position, KINDS[table.name, column])
        for position, column in enumerate(table.columns)
        if (table.name, column) in KINDS
    ]


def _rows(db: sqlite3.Connection, table: Table) -> Iterator[list[list[Any]]]:
    found = db.execute(f"SELECT {table.listed} FROM {table.name} ORDER BY {', '.join(table.key)}")
    while rows := found.fetchmany(ROWS):
        kept = [list(row) for row in rows]
        yield [row for row in kept if not (table.name == "meta" and row[0] == NORM)]


def _sequences(db: sqlite3.Connection) -> list[list[Any]]:
    return [list(row) for row in db.execute(f"SELECT name, seq FROM {SEQUENCES} ORDER BY name")]
