"""The store: transactions, numbered changes, damage."""

import sqlite3
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from semelha.errors import GalleryError, SubjectNotFound
from semelha.store import NewExample, Plan, Scores, Store, Strangers


def scores(change: int) -> Scores:
    one, two, three = (np.array([number]) for number in (1, 2, 3))
    return Scores(change, one, two, three, np.array([0.1]))


def change_of(store: Store) -> int:
    with store.reading() as view:
        return view.change


def example(number: int, picture: bytes | None = None) -> NewExample:
    return NewExample(np.array([number, 0.5], np.float32), f"hash {number}", f"{number}.png", picture)


def test_files_that_are_no_store(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"no database at all, but long enough to have a header" * 40)
    with pytest.raises(GalleryError, match="file is not a database"):
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
    with store.reading() as view:
        assert [subject.name for subject in view.subjects()] == ["a"]
        assert view.change == 2
    store.close()


def test_a_read_only_file_is_said(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    store._db.execute("PRAGMA query_only = ON")
    with pytest.raises(GalleryError, match="cannot be written"):
        store.add("a", [example(1)])
    store.close()


def test_every_write_is_one_change_whoever_makes_it(tmp_path: Path) -> None:
    one, other = Store(tmp_path / "s.sqlite"), Store(tmp_path / "s.sqlite")
    assert change_of(one) == 1
    other.add("a", [example(1), example(2)])
    assert change_of(one) == 2
    one.rename("a", "b")
    assert change_of(other) == 3
    other.remove("b")
    assert change_of(one) == 4
    one.set_plan(Plan("subjects", 0.1, 0), scores(4))
    assert change_of(other) == 5
    with pytest.raises(SubjectNotFound):
        one.remove("nobody")
    assert change_of(one) == 5, "what failed is none"
    one.close()
    other.close()


def test_what_is_derived_is_no_change(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    store.set_plan(Plan("subjects", 0.1, 0), scores(1))
    with store.reading() as view:
        plan = view.plan()
    assert plan is not None
    store.save_scores(plan, scores(2))
    store.trim(1)
    assert change_of(store) == 2
    store.close()


def test_scores_are_kept_for_the_plan_that_is_in_force_and_never_older_ones(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")

    def kept() -> int:
        with store.reading() as view:
            found = view.scores()
        assert found is not None
        assert (found.subjects.tolist(), found.examples.tolist(), found.nearest.tolist()) == ([1], [2], [3])
        assert found.distances.tolist() == [0.1]
        return found.change

    store.set_plan(Plan("subjects", 0.1, 0), scores(1))
    with store.reading() as view:
        first = view.plan()
    assert first is not None
    for change, expected in [(5, 5), (4, 5), (6, 6)]:
        store.save_scores(first, scores(change))
        assert kept() == expected
    store.set_plan(Plan("strangers", 0.1, 0), scores(3), Strangers(np.zeros(2, np.int64), np.ones((2, 2), np.float32)))
    store.save_scores(first, scores(9))
    assert kept() == 3
    with store.reading() as view:
        assert view.plan() == Plan("strangers", 0.1, 0, 3)
        assert view.strangers().vectors.tolist() == [[1, 1], [1, 1]]
    store.close()


def test_the_log_does_not_grow_without_end_where_views_overlap(tmp_path: Path) -> None:
    store, stop = Store(tmp_path / "s.sqlite", long_log=1 << 17), threading.Event()

    def read() -> None:
        while not stop.is_set():
            with store.reading() as view:
                view.subjects()
                time.sleep(0.002)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    sizes = []
    for number in range(100):
        store.add(f"s{number}", [example(number, b"x" * 10_000)])
        sizes.append((tmp_path / "s.sqlite-wal").stat().st_size)
    stop.set()
    for thread in threads:
        thread.join()
    assert sorted(sizes)[-10] < 1 << 18
    store.close()


def test_a_view_that_stays_does_not_hold_up_every_write(tmp_path: Path) -> None:
    """The log is folded in vain once each time that it has grown as long again, not at every write."""
    store, statements = Store(tmp_path / "s.sqlite", long_log=1 << 17), list[str]()
    store._db.set_trace_callback(statements.append)
    with store.reading() as view:
        for number in range(30):
            store.add(f"s{number}", [example(number, b"x" * 10_000)])
        attempts = sum("wal_checkpoint" in statement for statement in statements)
        size = (tmp_path / "s.sqlite-wal").stat().st_size
        assert 1 <= attempts <= size >> 17 < 30
        assert view.subject_count() == 0
    assert store.remove("s1") == 1
    store.close()


def test_removing_a_subject_removes_its_vectors_and_pictures(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    (number,) = store.add("a", [example(1, b"picture")]).numbers
    with store.reading() as view:
        assert view.picture(number) == b"picture"
    assert store.remove("a") == 1
    with store.reading() as view:
        assert view.picture(number) is None
        assert view.vectors([number]) == {}
    store.close()
    with pytest.raises(GalleryError, match="closed"), store.reading():
        pass
    with pytest.raises(GalleryError, match="closed"):
        store.add("a", [example(1)])
