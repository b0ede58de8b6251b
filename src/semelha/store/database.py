"""Connections to the database of a gallery, its tables, and the upgrade of older versions."""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import xxhash

from semelha.errors import GalleryError, GalleryMoved, GalleryNotWritable, GalleryTooNew, NumberNotFound
from semelha.images import HashBasis
from semelha.store.integrity import CHECKED, CREATION, triggers
from semelha.untrusted import parse_json

Mode = Literal["rw", "rwc", "immutable"]
TIMEOUT = 30  # seconds that a writer waits for another


def connect(path: Path, mode: Mode = "rw") -> sqlite3.Connection:
    """Open a connection with explicit transactions, for one thread at a time; only "rwc" creates the file.

    "immutable" reads a file that nobody writes, without a lock or a log beside it.
    """
    how = "mode=ro&immutable=1" if mode == "immutable" else f"mode={mode}"
    uri = f"{path.absolute().as_uri()}?{how}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=TIMEOUT)
    connection.create_function("casefold", 1, str.casefold, deterministic=True)
    connection.create_function("checksum", -1, checksum, deterministic=True)
    return connection


def checksum(*values: bytes | None) -> int:
    """XXH3-64 of the values of a row, as SQLite's signed integer."""
    digest = xxhash.xxh3_64()
    for value in values:
        digest.update(b"null" if value is None else b"%d " % len(value))
        digest.update(value or b"")
    return digest.intdigest() - (1 << 63)


@dataclass(frozen=True)
class FileIdentity:
    """Which file lies at a path: it changes when the file is replaced, and not when it is written."""

    device: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> FileIdentity | None:
        """That of the file at a path; None if there is none."""
        try:
            status = os.stat(path)
        except OSError:
            return None
        return cls(status.st_dev, status.st_ino)


def keep_log(db: sqlite3.Connection) -> None:
    """Let a database have a write-ahead log from now on.

    For this SQLite itself does not wait for other connections, which may be doing the same. Raises
    `sqlite3.OperationalError` if it is locked for longer than `TIMEOUT`.
    """
    end = time.monotonic() + TIMEOUT
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(0.01)


@contextmanager
def translating_errors(path: Path, what: str) -> Iterator[None]:
    """Raise errors of SQLite as `GalleryError`: "cannot be opened", or another participle."""
    try:
        yield
    except sqlite3.ProgrammingError as error:
        raise GalleryError(f"the gallery {path.parent} is closed") from error
    except sqlite3.Error as error:
        # Such as "malformed" or text that is no UTF-8: neither locked nor full.
        if type(error) is sqlite3.DatabaseError or "decode" in str(error):
            raise damaged(path, str(error)) from error
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise GalleryNotWritable(
                f"the gallery {path.parent} cannot be {what}: the disk is full, free some space"
            ) from error
        raise GalleryError(f"the gallery {path} cannot be {what}: {error}") from error

    except OverflowError as error:
        raise NumberNotFound(f"the gallery {path.parent} has no such number: {error}") from error


def damaged(path: Path, why: str) -> GalleryError:
    """The error of a damaged database."""
    return GalleryError(f"the gallery {path.parent} is damaged: {why}. `semelha doctor {path.parent}` says what helps")


def meta_of(connection: sqlite3.Connection, key: str) -> Any:
    """A value of the table `meta`; None if it has no such key."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    if row is None:
        return None
    return parse_json(row[0], f"the entry {key!r} of the gallery's database", kind=object, error=GalleryError)


def model_of(connection: sqlite3.Connection) -> str:
    """Fingerprint of the model of the database's vectors; "" if it does not name one."""
    return str(meta_of(connection, "model") or "")


def hash_basis_of(connection: sqlite3.Connection) -> HashBasis:
    """How the content hashes of the database are computed."""
    return "encoded" if meta_of(connection, "hash_basis") == "encoded" else "pixels"


def set_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Set a value, encoded as JSON, of the table `meta`, in the caller's transaction."""
    connection.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
    )


STEP = 1 << 32
"""Changes are numbered by random steps up to it: two copies of a database that are changed apart share no number."""


def next_change(connection: sqlite3.Connection) -> int:
    """Begin a change in the caller's transaction, and return its number."""
    (last,) = connection.execute(
        "SELECT max(ifnull((SELECT max(number) FROM changes), 0),"
        " ifnull((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'change'), 0))"
    ).fetchone()
    change = int(last) + 1 + secrets.randbelow(STEP)
    set_meta(connection, "change", str(change))
    connection.execute("INSERT INTO changes VALUES (?)", (change,))
    return change


def now() -> str:
    """The present time, ISO, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def check_model(connection: sqlite3.Connection, model: str, path: Path) -> None:
    """Raise `GalleryMoved` if the database has vectors of another model by now."""
    if (found := model_of(connection)) != model:
        raise GalleryMoved(
            f"the gallery {path.parent} was moved from the model {model[:12]} to {found[:12]}: open it again"
        )


def check_file(path: Path, opened: FileIdentity | None) -> None:
    """Raise `GalleryMoved` if the file at the path is not the one that was opened."""
    if FileIdentity.of(path) != opened:
        raise GalleryMoved(
            f"{path} was replaced or deleted while it was open, and what was written since is not in it: open it again"
        )


VERSION = 11
APPLICATION = 0x73656D65  # "seme", by which a database of a gallery is recognized

# Version 1 did not record where an example came from. Version 2 did not number its changes, so all of its examples are
# of the first, and had vectors in the rows of the examples. They are in their own table now, as pictures are: the names
# of neighbors are looked up in narrow rows, which stay in memory where a million vectors do not.
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
    2: """
INSERT INTO meta VALUES ('change', '1'), ('trimmed', '0');
UPDATE meta SET value = json_set(value, '$.change', 1) WHERE key = 'calibration';
ALTER TABLE subjects ADD COLUMN change INTEGER NOT NULL DEFAULT 1;
ALTER TABLE subjects ADD COLUMN folded TEXT NOT NULL DEFAULT '';
UPDATE subjects SET folded = casefold(name);
CREATE INDEX subjects_by_change ON subjects (change);
CREATE INDEX subjects_by_folded ON subjects (folded);
ALTER TABLE examples ADD COLUMN change INTEGER NOT NULL DEFAULT 1;
CREATE INDEX examples_by_change ON examples (change);
CREATE TABLE vectors (
    example_id INTEGER PRIMARY KEY REFERENCES examples (id) ON DELETE CASCADE,
    data BLOB NOT NULL
) STRICT;
INSERT INTO vectors SELECT id, vector FROM examples ORDER BY id;
ALTER TABLE examples DROP COLUMN vector;
CREATE TABLE removed (
    change INTEGER NOT NULL,
    example INTEGER NOT NULL,
    added INTEGER NOT NULL,
    PRIMARY KEY (change, example)
) STRICT, WITHOUT ROWID;
""",
    3: """
ALTER TABLE strangers ADD COLUMN subject INTEGER NOT NULL DEFAULT 0;
DROP TABLE IF EXISTS scores;
CREATE TABLE scores (
    change INTEGER NOT NULL,
    subjects BLOB NOT NULL,
    examples BLOB NOT NULL,
    nearest BLOB NOT NULL,
    distances BLOB NOT NULL,
    own BLOB,
    further BLOB
) STRICT;
""",
    # A merged subject is in `holder`, or `inside` a later merge. With it goes what is kept to undo the merge.
    4: """
CREATE TABLE merges (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    source_number INTEGER NOT NULL,
    source_created TEXT NOT NULL,
    holder INTEGER REFERENCES subjects (id) ON DELETE CASCADE,
    inside INTEGER REFERENCES merges (id) ON DELETE CASCADE,
    created TEXT NOT NULL,
    CHECK ((holder IS NULL) <> (inside IS NULL))
) STRICT;
CREATE INDEX merges_by_holder ON merges (holder);
CREATE INDEX merges_by_inside ON merges (inside);
CREATE TABLE moved (
    merge INTEGER NOT NULL REFERENCES merges (id) ON DELETE CASCADE,
    example INTEGER NOT NULL,
    PRIMARY KEY (merge, example)
) STRICT, WITHOUT ROWID;
CREATE TABLE set_aside (
    merge INTEGER NOT NULL REFERENCES merges (id) ON DELETE CASCADE,
    example INTEGER NOT NULL,
    content_hash TEXT NOT NULL,
    source TEXT NOT NULL,
    created TEXT NOT NULL,
    vector BLOB NOT NULL,
    picture BLOB,
    PRIMARY KEY (merge, example)
) STRICT;
""",
    5: """
CREATE TABLE rejections (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subject_id INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    content_hash TEXT NOT NULL,
    source TEXT NOT NULL,
    created TEXT NOT NULL,
    vector BLOB NOT NULL,
    picture BLOB
) STRICT;
CREATE INDEX rejections_by_subject ON rejections (subject_id, content_hash);
CREATE TABLE moved_strangers (
    merge INTEGER NOT NULL REFERENCES merges (id) ON DELETE CASCADE,
    stranger INTEGER NOT NULL,
    PRIMARY KEY (merge, stranger)
) STRICT, WITHOUT ROWID;
CREATE TABLE moved_rejections (
    merge INTEGER NOT NULL REFERENCES merges (id) ON DELETE CASCADE,
    rejection INTEGER NOT NULL,
    PRIMARY KEY (merge, rejection)
) STRICT, WITHOUT ROWID;
""",
    # Content hashes of JPEGs were of their pixels until then; a new gallery sets its own basis afterwards.
    6: """
INSERT INTO meta VALUES ('hash_basis', '"pixels"');
""",
    # `screened` is a subject that was enrolled from a picture that the gallery had called unknown.
    7: """
ALTER TABLE subjects ADD COLUMN screened INTEGER NOT NULL DEFAULT 0;
CREATE INDEX screened_subjects ON subjects (id) WHERE screened;
ALTER TABLE merges ADD COLUMN source_screened INTEGER NOT NULL DEFAULT 0;
""",
    # `damaged` keeps what was set aside: see `semelha.store.integrity`.
    8: """
CREATE TABLE changes (number INTEGER PRIMARY KEY) STRICT;
INSERT INTO changes SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'change';
CREATE TABLE damaged (
    kind TEXT NOT NULL,
    row INTEGER NOT NULL,
    subject TEXT,
    source TEXT,
    picture BLOB
) STRICT;
"""
    + ";\n".join([CREATION, *triggers(table for table in CHECKED if table != "reviews")]),
    # See `semelha.store.audit`. No name is in it.
    9: """
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    subject INTEGER,
    other INTEGER,
    item INTEGER,
    examples INTEGER,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_subject ON audit (subject);
CREATE INDEX audit_by_other ON audit (other);
CREATE INDEX merges_by_source ON merges (source_number);
""",
    # `answer` is JSON: see `semelha.store.reviews`.
    10: """
CREATE TABLE reviews (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    content_hash TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    created TEXT NOT NULL,
    answer TEXT NOT NULL,
    vector BLOB NOT NULL,
    picture BLOB
) STRICT;
"""
    + ";\n".join(triggers(["reviews"])),
}


def migrate(connection: sqlite3.Connection, *, is_new: bool) -> None:
    """Upgrade the database to `VERSION`, in one transaction.

    Raises `GalleryTooNew` for a later version, and `GalleryError` if it is not the database of a gallery, or is empty
    and not new.
    """
    if _version(connection, is_new) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in range(_version(connection, is_new), VERSION):  # read again: another process may have been first
            for statement in _STEPS[step].split(";\n"):
                if statement.strip():
                    connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def version_of(connection: sqlite3.Connection) -> int:
    """Version of the tables of a database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _version(connection: sqlite3.Connection, is_new: bool) -> int:
    version = version_of(connection)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master").fetchall()}
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if version > VERSION:
        raise GalleryTooNew(f"the gallery has the schema {version}, this semelha knows up to {VERSION}: update semelha")
    if not tables and not is_new:
        raise GalleryError("the database is empty: restore the gallery from a backup")
    is_ours = {"meta", "subjects", "examples"} <= tables and (version < 9 or application == APPLICATION)
    if tables and not (is_ours and version):
        raise GalleryError("the database is not one of a gallery")
    return version
