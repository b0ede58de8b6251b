"""A database of an older version becomes one of today, whole or not at all; a newer one is refused."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from semelha.errors import GalleryError, GalleryTooNew
from semelha.store import NewExample, Plan, Store
from semelha.store.database import VERSION

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
VERSION_2 = """
ALTER TABLE examples ADD COLUMN source TEXT NOT NULL DEFAULT '';
CREATE TABLE strangers (id INTEGER PRIMARY KEY, vector BLOB NOT NULL) STRICT;
INSERT INTO meta VALUES ('calibration', '{"kind": "subjects", "fpir": 0.1, "seed": 3}');
PRAGMA user_version = 2;
"""


@pytest.fixture(params=[1, 2])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    database = sqlite3.connect(tmp_path / "s.sqlite")
    database.executescript(VERSION_1)
    if request.param == 2:
        database.executescript(VERSION_2)
    database.close()
    return tmp_path / "s.sqlite"


def test_an_older_database_becomes_one_of_today(old: Path) -> None:
    store = Store(old)
    with store.reading() as view:
        assert (view.change, view.reaches(0)) == (1, True)
        ids, vectors = view.added_since(0)
        assert (ids.tolist(), vectors.tolist()) == ([7], [[1.0, 2.0]])
        assert view.owners([7]) == {7: ("old", "")}
        assert view.names(since=0) == {1: "old"}
        assert view.names(since=1) == {}
        assert view.picture(7) == b"\x01"
        assert view.strangers().vectors.size == 0
        assert view.scores() is None
    assert store.add("OLD", [NewExample(np.zeros(2, np.float32), "hash", "", None)]).similar_names == ("old",)
    store.remove("OLD")
    store.add("old", [NewExample(np.array([1, 0.5], np.float32), "other hash", "1.png", None)])
    with store.reading() as view:
        assert view.added_since(1)[0].tolist() == [9]
    store.close()
    assert version_of(old) == VERSION


def test_a_wish_of_version_2_is_still_one(old: Path) -> None:
    was = version_of(old)
    store = Store(old)
    with store.reading() as view:
        assert view.plan() == (Plan("subjects", 0.1, 3, 1) if was == 2 else None)
    store.close()


def test_many_open_an_older_database_at_once(old: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for store in pool.map(lambda _: Store(old), range(8)):
            store.close()
    assert version_of(old) == VERSION


def test_an_upgrade_that_fails_leaves_the_old_version(old: Path) -> None:
    was = version_of(old)
    database = sqlite3.connect(old)
    database.execute("CREATE TABLE removed (in_the_way)")
    database.close()
    with pytest.raises(GalleryError, match="removed already exists"):
        Store(old)
    assert version_of(old) == was
    database = sqlite3.connect(old)
    assert "change" not in [row[1] for row in database.execute("PRAGMA table_info(examples)")]
    database.close()


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "s.sqlite")
    database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    with pytest.raises(GalleryTooNew):
        Store(tmp_path / "s.sqlite")


def version_of(path: Path) -> int:
    database = sqlite3.connect(path)
    (version,) = database.execute("PRAGMA user_version").fetchone()
    database.close()
    return int(version)
