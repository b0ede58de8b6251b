"""Damage to the database is found when it is opened, named, and costs only what is damaged."""

import logging
import os
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from semelha.errors import GalleryError, GalleryMoved
from semelha.store import NewExample, Plan, Scores, Store, Strangers
from semelha.store.damage import DamageControl, copy_database
from semelha.store.database import connect

HIDDEN = b"SECRETBYTES" * 100


def example(number: int, picture: bytes | None = b"picture") -> NewExample:
    return NewExample(np.array([number, 0.5], np.float32), f"hash {number}", f"{number}.png", picture)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with two subjects of two examples, a rejection, a merge, a calibration and strangers."""
    store = Store(tmp_path / "s.sqlite", "model", hash_basis="encoded")
    store.add("anna", [example(1), example(2)])
    store.add("bert", [example(3), example(4)])
    store.add("gone", [example(5)])
    store.reject("anna", example(9))
    store.merge("gone", "bert")
    some = np.array([1], np.int64)
    scores = Scores(1, some, some, some, np.array([0.1]))
    store.set_plan(Plan("strangers", 0.1, 0), scores, Strangers(np.zeros(2, np.int64), np.ones((2, 2), np.float32)))
    store.close()
    return tmp_path / "s.sqlite"


def tamper(path: Path, table: str, statement: str) -> None:
    """Change a row as the disk would: no trigger keeps its checksum."""
    database = connect(path)
    for event in ("updated", "deleted"):
        database.execute(f"DROP TRIGGER {table}_{event}")
    assert database.execute(statement).rowcount == 1
    database.close()


@pytest.mark.parametrize(
    ("table", "statement", "said"),
    [
        (
            "vectors",
            "UPDATE vectors SET data = zeroblob(8) WHERE example_id = 2",
            "vector of the example 2 (2.png) of anna",
        ),
        ("vectors", "DELETE FROM vectors WHERE example_id = 2", "vector of the example 2 (2.png) of anna"),
        ("examples", "UPDATE examples SET subject_id = 2 WHERE id = 2", "the example 2 (?) of ?"),
        ("examples", "UPDATE examples SET source = CAST(x'ff' AS TEXT) WHERE id = 2", "the example 2"),
    ],
)
def test_a_damaged_example_is_named_and_left_out(
    path: Path, table: str, statement: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    tamper(path, table, statement)
    store = Store(path)
    with store.reading() as view:
        assert view.added_since(0)[0].tolist() == [1, 3, 4, 5]
        assert [(one.name, one.examples) for one in view.subjects()] == [("anna", 1), ("bert", 3)]
    assert said in caplog.text
    (left_out,) = store.damage.left_out()
    assert (left_out.damage.row, left_out.picture) == (2, b"picture")
    assert left_out.damage.subject == ("anna" if table == "vectors" else ""), "a damaged row says nothing"
    store.close()
    caplog.clear()
    store = Store(path)
    assert "1 damaged rows" in caplog.text, "as long as it is set aside, it is said at every opening"
    store.damage.forget_left_out([one.place for one in store.damage.left_out()])
    store.close()
    caplog.clear()
    Store(path).close()
    assert not caplog.text


def test_a_damaged_subject_goes_with_what_is_its_own_and_all_of_it_is_listed(path: Path) -> None:
    tamper(path, "subjects", "UPDATE subjects SET name = 'anne' WHERE id = 1")
    store = Store(path)
    with store.reading() as view:
        assert [one.name for one in view.subjects()] == ["bert"]
    listed = [(one.damage.table, one.damage.row, one.damage.subject) for one in store.damage.left_out()]
    assert listed == [("rejections", 1, ""), ("examples", 1, ""), ("examples", 2, "")]
    store.close()


def test_no_subject_is_left_without_an_example(path: Path) -> None:
    """Also that of which the last example no longer says whose it is."""
    store = Store(path)
    (number,) = store.add("carl", [example(6)]).numbers
    store.close()
    tamper(path, "examples", f"UPDATE examples SET subject_id = 1 WHERE id = {number}")
    store = Store(path)
    with store.reading() as view:
        assert [one.name for one in view.subjects()] == ["anna", "bert"]
    store.close()


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("rejections", "UPDATE rejections SET vector = zeroblob(8)"),
        ("merges", "UPDATE merges SET source_number = 1"),
        ("strangers", "UPDATE strangers SET vector = zeroblob(8) WHERE id = 1"),
        ("scores", "UPDATE scores SET distances = zeroblob(8)"),
        ("meta", "UPDATE meta SET value = json_set(value, '$.fpir', 0.9) WHERE key = 'calibration'"),
        ("meta", "UPDATE meta SET value = '7' WHERE key = 'trimmed'"),
        ("meta", "UPDATE meta SET value = '3' WHERE key = 'change'"),
    ],
)
def test_what_else_is_damaged_goes_with_a_warning(
    path: Path, table: str, statement: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Store(path)) as store, store.reading() as view:
        before = view.change
    tamper(path, table, statement)
    store = Store(path)
    assert "damaged in the gallery" in caplog.text
    assert [one.damage.table for one in store.damage.left_out()] == ([] if table == "scores" else [table])
    with store.reading() as view:
        assert len(view) == 5, "no example is lost"
        assert view.change > before, "an index of the earlier change is not used as it is"
        assert view.trimmed == view.change
        assert len(view.rejections("anna")) == (table != "rejections")
        assert len(view.merges()) == (table != "merges")
        assert len(view.strangers().vectors) == (1 if table == "strangers" else 2)
        assert (view.plan() is None) == ("calibration" in statement)
        assert view.scores() is None
    store.add("carl", [example(6)])
    store.close()


def test_what_was_set_aside_follows_its_subject(path: Path) -> None:
    """Renamed and merged with it, and removed with it for good."""
    tamper(path, "vectors", "UPDATE vectors SET data = zeroblob(8) WHERE example_id = 2")
    store = Store(path)
    store.rename("anna", "Anna")
    assert store.damage.left_out()[0].damage.subject == "Anna"
    store.merge("Anna", "bert")
    assert store.damage.left_out()[0].damage.subject == "bert"
    store.remove("bert")
    assert not store.damage.left_out()
    store.close()


def test_what_a_lost_example_leaves_is_set_aside_with_it(path: Path) -> None:
    database = connect(path)
    database.execute("DROP TRIGGER examples_deleted")
    database.execute("DELETE FROM examples WHERE id = 2")
    database.close()
    store = Store(path)
    (left_out,) = store.damage.left_out()
    assert (left_out.damage.row, left_out.damage.subject, left_out.picture) == (2, "", b"picture")
    database = connect(path)
    assert database.execute("SELECT count(*) FROM vectors WHERE example_id = 2").fetchone() == (0,)
    database.close()
    store.close()


@pytest.mark.parametrize("key", ["model", "hash_basis"])
def test_without_its_settings_nothing_is_read(path: Path, key: str) -> None:
    tamper(path, "meta", f"UPDATE meta SET value = '\"x\"' WHERE key = '{key}'")
    with pytest.raises(GalleryError, match=r"its settings cannot be read.*doctor"):
        Store(path)


def test_a_damaged_picture_is_named_when_it_is_read(path: Path) -> None:
    tamper(path, "pictures", "UPDATE pictures SET data = x'00' WHERE example_id = 3")
    store = Store(path)
    with store.reading() as view, pytest.raises(GalleryError, match=r"picture of the example 3 \(3.png\) of bert"):
        view.picture(3)
    assert [one.row for one in store.damage.drop_damaged_pictures()] == [3]
    with store.reading() as view:
        assert (view.picture(3), view.picture(4)) == (None, b"picture")
    store.close()


def test_a_damaged_index_of_names_is_built_again(path: Path) -> None:
    database = connect(path)
    (page,) = database.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_subjects_1'"
    ).fetchone()
    (size,) = database.execute("PRAGMA page_size").fetchone()
    database.close()
    content = bytearray(path.read_bytes())
    start = content.index(b"anna", (page - 1) * size, page * size)
    content[start : start + 4] = b"anno"
    path.write_bytes(content)
    store = Store(path)
    with store.reading() as view:
        assert view.has_subject("anna")
    store.close()


def test_a_large_database_is_checked_in_the_background(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(DamageControl, "checked_at_once", 3)
    tamper(path, "vectors", "UPDATE vectors SET data = zeroblob(8) WHERE example_id = 2")
    store = Store(path)
    assert not store.damage.is_checked
    with store.reading() as view, pytest.raises(GalleryError, match="damaged: the vector 2"):
        view.added_since(0)
    with store.reading() as view, pytest.raises(GalleryError, match=r"the vector of the example 2 \(2.png\) of anna"):
        view.vectors([2])
    store.damage.check(large=True)
    with store.reading() as view:
        assert view.added_since(0)[0].tolist() == [1, 3, 4, 5]
    store.close()
    tamper(path, "subjects", "UPDATE subjects SET name = 'berta' WHERE id = 2")
    store = Store(path)
    with store.reading() as view, pytest.raises(GalleryError, match="damaged: the example 3"):
        view.owners([3])
    store.damage.stop()
    with pytest.raises(GalleryError, match="interrupted"):
        store.damage.check(large=True)
    store.close()


def test_an_error_that_damage_explains_is_said_so(path: Path) -> None:
    store = Store(path)
    with pytest.raises(KeyError), store.reading():
        raise KeyError(7)
    tamper(path, "pictures", "UPDATE pictures SET data = x'00' WHERE example_id = 3")
    with pytest.raises(GalleryError, match="damaged: KeyError"), store.reading():
        raise KeyError(7)
    store.close()


def test_an_empty_or_foreign_database_is_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(GalleryError, match="empty: restore"):
        Store(tmp_path / "empty")
    database = connect(path)
    database.execute("PRAGMA application_id = 7")
    database.close()
    with pytest.raises(GalleryError, match="not one of a gallery"):
        Store(path)


@pytest.mark.parametrize("how", ["replaced", "deleted", "log deleted", "log replaced"])
def test_a_database_that_is_not_at_its_place_is_noticed_before_a_write_is_acknowledged(path: Path, how: str) -> None:
    shutil.copy(path, path.with_name("copy"))
    store = Store(path)
    store.add("anna", [example(7)])
    if how == "replaced":
        os.replace(path.with_name("copy"), path)
    elif how == "deleted":
        path.unlink()
    else:
        path.with_name(f"{path.name}-wal").unlink()
    if how == "log replaced":
        path.with_name(f"{path.name}-wal").write_bytes(b"of another process")
    with pytest.raises(GalleryMoved, match="replaced or deleted while it was open"):
        store.add("anna", [example(8)])
    if how in ("replaced", "deleted"):
        with pytest.raises(GalleryMoved), store.reading():
            pass
    store.close()


@pytest.mark.parametrize("what", ["subject", "example", "rejection"])
def test_what_is_removed_is_no_longer_in_any_file(path: Path, what: str) -> None:
    store = Store(path)
    (number,) = store.add("carl", [example(20, HIDDEN)]).numbers
    rejection = store.reject("anna", example(21, HIDDEN))
    assert any(HIDDEN[:11] in file.read_bytes() for file in path.parent.iterdir() if file.is_file())
    store.withdraw_rejection(rejection)
    if what == "subject":
        store.remove("carl")
    elif what == "example":
        store.remove_example(number)
    else:
        store.remove("carl")
    assert not any(HIDDEN[:11] in file.read_bytes() for file in path.parent.iterdir() if file.is_file())
    store.close()


def test_a_copy_is_whole_and_of_one_change(path: Path, tmp_path: Path) -> None:
    store = Store(path)
    copy_database(path, tmp_path / "copy.sqlite")
    store.add("later", [example(30)])
    copy = Store(tmp_path / "copy.sqlite")
    with copy.reading() as view:
        assert len(view) == 5
        assert not view.has_subject("later")
    copy.close()
    tamper(path, "pictures", "UPDATE pictures SET data = x'00' WHERE example_id = 3")
    with pytest.raises(GalleryError, match="it is not copied"):
        copy_database(path, tmp_path / "other.sqlite")
    store.close()


def test_logging_names_the_folder(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tamper(path, "vectors", "UPDATE vectors SET data = zeroblob(8) WHERE example_id = 2")
    with caplog.at_level(logging.WARNING):
        Store(path).close()
    assert f"semelha doctor {path.parent}" in caplog.text
