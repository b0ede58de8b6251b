"""The store: transactions, versions, damage."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from semelha.errors import GalleryError, GalleryTooNew
from semelha.store import NewExample, Store
from semelha.store.schema import VERSION

VERSION_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE subjects (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created TEXT NOT NULL) STRICT;
CREATE TABLE examples (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subject_id INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    vector BLOB NOT NULL, content_hash TEXT NOT NULL, created TEXT NOT NULL,
    UNIQUE (subject_id, content_hash)
) STRICT;
CREATE INDEX examples_by_content ON examples (content_hash);
CREATE TABLE pictures (
    example_id INTEGER PRIMARY KEY REFERENCES examples (id) ON DELETE CASCADE, data BLOB NOT NULL
) STRICT;
INSERT INTO subjects VALUES (1, 'old', '2026-01-01T00:00:00+00:00');
INSERT INTO examples VALUES (7, 1, x'0000803f00000040', 'hash', '2026-01-01T00:00:00+00:00');
INSERT INTO pictures VALUES (7, x'01');
PRAGMA user_version = 1;
"""


def example(number: int, picture: bytes | None = None) -> NewExample:
    return NewExample(np.array([number, 0.5], np.float32), f"hash {number}", f"{number}.png", picture)


def test_a_version_1_database_becomes_one_of_today(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "s.sqlite")
    database.executescript(VERSION_1)
    database.close()
    store = Store(tmp_path / "s.sqlite")
    examples, vectors = store.examples()
    assert [(e.id, e.subject, e.source, e.content_hash) for e in examples] == [(7, "old", "", "hash")]
    assert vectors.tolist() == [[1.0, 2.0]]
    assert store.picture(7) == b"\x01"
    assert store.strangers().size == 0
    store.add("old", [example(1)])
    store.close()
    database = sqlite3.connect(tmp_path / "s.sqlite")
    assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
    database.close()


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "s.sqlite")
    database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    with pytest.raises(GalleryTooNew):
        Store(tmp_path / "s.sqlite")


def test_files_that_are_no_store(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"no database at all, but long enough to have a header" * 40)
    with pytest.raises(GalleryError, match="cannot be opened"):
        Store(tmp_path / "text")
    database = sqlite3.connect(tmp_path / "foreign")
    database.execute("CREATE TABLE t (x)")
    database.close()
    with pytest.raises(GalleryError, match="not one of a gallery"):
        Store(tmp_path / "foreign")
    with pytest.raises(GalleryError):
        Store(tmp_path / "no" / "folder")


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    store.add("a", [example(1)])
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(GalleryError, match="full"):
        store.add("b", [example(2, b"x" * 100_000)])
    assert [subject.name for subject in store.subjects()] == ["a"]
    store.close()


def test_a_read_only_file_is_said(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    store._db.execute("PRAGMA query_only = ON")
    with pytest.raises(GalleryError, match="cannot be written"):
        store.add("a", [example(1)])
    store.close()


def test_generation_changes_with_every_change_by_anyone(tmp_path: Path) -> None:
    one, other = Store(tmp_path / "s.sqlite"), Store(tmp_path / "s.sqlite")
    first = one.generation()
    assert one.generation() == first
    other.add("a", [example(1)])
    second = one.generation()
    assert second != first
    one.rename("a", "b")
    assert one.generation() != second
    one.close()
    other.close()


def test_removing_a_subject_removes_its_pictures(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    (number,) = store.add("a", [example(1, b"picture")])
    assert store.picture(number) == b"picture"
    assert store.remove("a") == 1
    assert store.picture(number) is None
    store.close()
    with pytest.raises(GalleryError, match="closed"):
        store.subjects()
