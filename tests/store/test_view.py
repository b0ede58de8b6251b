"""Views: of one moment, never waiting; the logs say what came and went."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from semelha.errors import GalleryError
from semelha.store import NewExample, Store
from semelha.store.readers import IDLE
from semelha.store.view import ROWS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "s.sqlite")
    yield made
    made.close()


def example(number: int) -> NewExample:
    return NewExample(np.array([number, 0.5], np.float32), f"hash {number}", f"{number}.png", None)


def test_a_view_is_of_one_moment_until_it_is_renewed(store: Store) -> None:
    (first,) = store.add("a", [example(1)]).numbers
    with store.reading() as view:
        store.rename("a", "b")
        store.add("c", [example(2)])
        assert view.owners([first, first + 1]) == {first: ("a", "1.png")}
        assert (len(view), view.subject_count(), view.change) == (1, 1, 2)
        assert view.added_since(0)[0].tolist() == [first]
        view.refresh()
        assert view.owners([first, first + 1]) == {first: ("b", "1.png"), first + 1: ("c", "2.png")}
        assert (len(view), view.subject_count(), view.change) == (2, 2, 4)


def test_a_reader_does_not_wait_for_a_writer(store: Store) -> None:
    """Another process is in the middle of a change for as long as it likes."""
    store.add("a", [example(1)])
    writer = sqlite3.connect(store.path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    writer.execute("DELETE FROM subjects")
    with store.reading() as view:
        assert view.has_subject("a")
    writer.execute("ROLLBACK")
    writer.close()


def test_a_writer_does_not_wait_for_readers(store: Store) -> None:
    store.add("a", [example(1)])
    with store.reading() as one, store.reading() as other:
        store.add("b", [example(2)])
        assert (one.change, other.change) == (2, 2)


def test_what_came_and_went_between_two_moments(store: Store) -> None:
    """Replayed from any change, the logs give what is there now."""
    random = np.random.default_rng(0)
    known: dict[str, list[int]] = {}
    held = {1: set[int]()}
    for number in range(60):
        name = f"s{random.integers(6)}"
        if name in known and random.random() < 0.4:
            assert store.remove(name) == len(known.pop(name))
        else:
            known.setdefault(name, []).extend(store.add(name, [example(2 * number), example(2 * number + 1)]).numbers)
        held[number + 2] = {i for examples in known.values() for i in examples}
    with store.reading() as view:
        assert view.change == 61
        for change, ids in held.items():
            added, vectors = view.added_since(change)
            removed = view.removed_since(change).tolist()
            assert set(removed) <= ids
            assert (ids - set(removed)) | set(added.tolist()) == held[61]
            assert added.tolist() == sorted(set(added.tolist()) - ids)
            assert vectors.shape == (len(added), 2 if len(added) else 0)


def test_a_trimmed_log_says_how_far_it_reaches(store: Store) -> None:
    for number in range(4):
        store.add(f"s{number}", [example(number)])
    for number in range(3):
        store.remove(f"s{number}")  # changes 6, 7 and 8
    store.trim(7)
    store.trim(5)
    with store.reading() as view:
        assert (view.reaches(6), view.reaches(7)) == (False, True)
        assert view.removed_since(7).tolist() == [3]
        with pytest.raises(ValueError, match="after the change 6"):
            view.removed_since(6)


def test_names_say_which_subjects_a_change_touched(store: Store) -> None:
    for name in "abcd":
        store.add(name, [example(1)])  # changes 2 to 5, numbers 1 to 4
    store.rename("a", "A")
    store.add("b", [example(2)])
    store.remove("c")
    with store.reading() as view:
        assert view.names() == {1: "A", 2: "b", 4: "d"}
        assert view.names(since=5) == {1: "A", 2: "b"}
        assert view.names(since=6) == {2: "b"}


def test_vectors_come_in_the_order_of_their_numbers_however_many(store: Store) -> None:
    many = ROWS * 2 + 7
    store.add("first", [example(number) for number in range(many)])
    store.add("other", [example(number) for number in range(many, many + 3)])
    with store.reading() as view:
        ids, vectors = view.added_since(0)
        assert ids.tolist() == list(range(1, many + 4))
        assert vectors.dtype == np.float32
        assert vectors[:, 0].tolist() == list(range(many + 3))
        assert view.vectors_of("other")[:, 0].tolist() == [many, many + 1, many + 2]
        assert view.vectors_of("nobody").shape == (0, 0)
        assert view.vectors([5, 2, 10**9])[5].tolist() == [4, 0.5]
        assert view.subjects_of([1, many + 1, 10**9]) == {1: 1, many + 1: 2}
        assert view.examples_of(2)[0] == (many + 1, f"hash {many}")


def test_what_changed_is_found_without_reading_the_rest(store: Store) -> None:
    for number in range(4):
        store.add("a", [example(number)])  # changes 2 to 5
    with store.reading() as view:
        asked: list[str] = []
        view._db.set_trace_callback(asked.append)
        view.added_since(5)
        view.removed_since(5)
        view.names(since=5)
        view._db.set_trace_callback(None)
        plans = [" ".join(row[3] for row in view._db.execute(f"EXPLAIN QUERY PLAN {query}")) for query in asked]
    assert len(plans) == 6
    assert not [plan for plan in plans if "SCAN" in plan or "TEMP B-TREE" in plan]
    assert "COVERING INDEX examples_by_change" in plans[1]


def test_a_new_subject_is_told_of_similar_names_and_of_its_pictures_elsewhere(store: Store) -> None:
    added = store.add_all([(name, [example(1)]) for name in ("Straße", "STRASSE", "other")])
    assert [one.similar_names for one in added] == [(), ("Straße",), ()]
    assert added[2].elsewhere == (("1.png", ("STRASSE", "Straße")),)
    found = store.add("strasse", [example(1), example(2), example(2)])
    assert found.similar_names == ("STRASSE", "Straße")
    assert (len(found.numbers), found.duplicates) == (2, ("2.png",))
    again = store.add("strasse", [example(1)])
    assert (again.numbers, again.duplicates, again.similar_names) == ((), ("1.png",), ())
    with store.reading() as view:
        assert view.has_picture("hash 1")
        assert not view.has_picture("hash 3")
        assert view.change == 4, "several subjects are one change"


def test_nothing_is_written_through_a_view(store: Store) -> None:
    with store.reading() as view, pytest.raises(sqlite3.OperationalError, match="readonly"):
        view._db.execute("DELETE FROM subjects")


def test_damaged_vectors_are_said(store: Store) -> None:
    store.add("a", [example(1), example(2)])
    store._db.execute("UPDATE vectors SET data = x'00000000' WHERE example_id = 2")
    with store.reading() as view, pytest.raises(GalleryError, match="different lengths"):
        view.added_since(0)
    store._db.execute("DELETE FROM vectors WHERE example_id = 2")
    with store.reading() as view, pytest.raises(GalleryError, match="1 of its examples have no vector"):
        view.added_since(0)


def test_more_views_than_are_kept_and_a_store_closed_among_them(store: Store) -> None:
    store.add("a", [example(1)])
    ready, seen = threading.Barrier(IDLE + 5), []

    def look() -> None:
        with store.reading() as view:
            ready.wait()
            seen.append(view.subject_count())
            ready.wait()
            seen.append(view.subject_count())

    threads = [threading.Thread(target=look) for _ in range(IDLE + 4)]
    for thread in threads:
        thread.start()
    ready.wait()
    store.close()
    ready.wait()
    for thread in threads:
        thread.join()
    assert seen == [1] * (2 * (IDLE + 4))
    with pytest.raises(GalleryError, match="closed"), store.reading():
        pass
