"""The tables, and how a database of an older version becomes one of this version."""

from __future__ import annotations

import sqlite3

from semelha.errors import GalleryError, GalleryTooNew

VERSION = 2

# Version 1 did not keep where an example came from.
_FROM_NOTHING = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE subjects (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created TEXT NOT NULL
) STRICT;
CREATE TABLE examples (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subject_id INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    vector BLOB NOT NULL,
    content_hash TEXT NOT NULL,
    created TEXT NOT NULL,
    UNIQUE (subject_id, content_hash)
) STRICT;
CREATE INDEX examples_by_content ON examples (content_hash);
CREATE TABLE pictures (
    example_id INTEGER PRIMARY KEY REFERENCES examples (id) ON DELETE CASCADE,
    data BLOB NOT NULL
) STRICT;
"""
_STEPS = {
    0: _FROM_NOTHING,
    1: """
ALTER TABLE examples ADD COLUMN source TEXT NOT NULL DEFAULT '';
CREATE TABLE strangers (id INTEGER PRIMARY KEY, vector BLOB NOT NULL) STRICT;
""",
}


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database to `VERSION`, in one transaction: it is of the old version or of the new one.

    Raises
    ------
    GalleryTooNew
        The database is of a later version.
    GalleryError
        It is no database of ours.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise GalleryTooNew(f"the gallery has the schema {version}, this semelha knows up to {VERSION}: update semelha")
    if version == VERSION:
        return
    if version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise GalleryError("the database is not one of a gallery")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in range(version, VERSION):
            for statement in _STEPS[step].split(";\n"):
                if statement.strip():
                    connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
