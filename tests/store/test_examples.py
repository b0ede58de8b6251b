"""Single examples are removed and moved: what an index, a merge and a rejection know of them stays right."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from semelha.errors import GalleryError, SubjectNotFound, UsageError
from semelha.store import NewExample, Store, Strangers


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "s.sqlite")
    yield made
    made.close()


def new(*numbers: int) -> list[NewExample]:
    return [NewExample(np.array([n, 0.5], np.float32), f"hash {n}", f"{n}.png", b"%d" % n) for n in numbers]


def sources(store: Store) -> dict[str, list[str]]:
    """Sources of the examples of each subject."""
    with store.reading() as view:
        return {subject.name: sorted(one.source for one in view.examples(subject.name)) for subject in view.subjects()}


def number(store: Store, subject: str, source: str) -> int:
    """The example of a subject that came from a source."""
    with store.reading() as view:
        (found,) = [one.number for one in view.examples(subject) if one.source == source]
        return found


def count(store: Store, table: str) -> int:
    with closing(sqlite3.connect(store.path)) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_examples_are_listed_in_order_with_what_was_kept(store: Store) -> None:
    store.add("a", [*new(2, 1), NewExample(np.zeros(2, np.float32), "x", "x.png", None)])
    with store.reading() as view:
        found = view.examples("a")
        with pytest.raises(SubjectNotFound, match=r"^no subject is called 'b'$"):
            view.examples("b")
    assert [(one.subject, one.source, one.has_picture) for one in found] == [
        ("a", "2.png", True),
        ("a", "1.png", True),
        ("a", "x.png", False),
    ]


def test_one_is_removed_with_its_vector_and_picture(store: Store) -> None:
    store.add("a", new(1, 2))
    assert store.remove_example(number(store, "a", "1.png")) == "a"
    assert sources(store) == {"a": ["2.png"]}
    assert [count(store, table) for table in ("examples", "vectors", "pictures")] == [1, 1, 1]
    assert store.add("a", new(1)).numbers == (3,), "numbers are not used again"


def test_with_its_last_example_a_subject_goes(store: Store) -> None:
    store.add("a", new(1))
    store.add("b", new(2))
    store.remove_example(number(store, "a", "1.png"))
    store.move_example(number(store, "b", "2.png"), "c")
    assert sources(store) == {"c": ["2.png"]}


def test_one_is_moved_to_a_subject_old_or_new(store: Store) -> None:
    store.add("a", new(1, 2, 3))
    store.add("b", new(4))
    one, two = number(store, "a", "1.png"), number(store, "a", "2.png")
    assert store.move_example(one, "b") == one
    assert store.move_example(two, "new") == two
    assert sources(store) == {"a": ["3.png"], "b": ["1.png", "4.png"], "new": ["2.png"]}
    with store.reading() as view:
        assert view.picture(one) == b"1"
        assert view.removed_since(0).tolist() == []


def test_a_picture_that_both_have_is_kept_once(store: Store) -> None:
    store.add("a", new(1, 2))
    store.add("b", new(1))
    kept = number(store, "b", "1.png")
    with store.reading() as view:
        change = view.change
    removed = number(store, "a", "1.png")
    assert store.move_example(removed, "b") == kept
    assert sources(store) == {"a": ["2.png"], "b": ["1.png"]}
    with store.reading() as view:
        assert view.removed_since(change).tolist() == [removed]


def test_what_cannot_be_removed_or_moved(store: Store) -> None:
    """One sentence, and nothing changes."""
    store.add("a", new(1, 2))
    for act in (lambda: store.remove_example(9), lambda: store.move_example(9, "b")):
        with pytest.raises(GalleryError, match="there is no example 9"):
            act()
    with pytest.raises(UsageError, match="example 1 is of a already"):
        store.move_example(1, "a")
    assert sources(store) == {"a": ["1.png", "2.png"]}
    with store.reading() as view:
        assert view.change == 2


def test_an_unmerge_brings_back_neither_a_removed_nor_a_moved_example(store: Store) -> None:
    store.add("a", new(1, 2, 3, 4))
    store.add("b", new(4, 5))
    merge = store.merge("a", "b")
    store.remove_example(number(store, "b", "1.png"))
    store.move_example(number(store, "b", "2.png"), "c")
    store.remove_example(number(store, "b", "4.png"))  # of a it was set aside
    with store.reading() as view:
        assert [(one.moved, one.shared) for one in view.merges()] == [(1, 0)]
    store.unmerge(merge)
    assert sources(store) == {"a": ["3.png"], "b": ["5.png"], "c": ["2.png"]}


def test_an_example_that_was_moved_back_stays_in_an_unmerge(store: Store) -> None:
    store.add("a", new(1, 2))
    store.add("b", new(3))
    merge = store.merge("a", "b")
    example = store.move_example(number(store, "b", "1.png"), "c")
    store.move_example(example, "b")
    store.unmerge(merge)
    assert sources(store) == {"a": ["2.png"], "b": ["1.png", "3.png"]}


def test_a_merge_of_which_nothing_is_left_is_forgotten(store: Store) -> None:
    store.add("a", new(1))
    store.add("b", new(2))
    store.add("c", new(3))
    first = store.merge("a", "b")
    second = store.merge("b", "c")
    store.remove_example(number(store, "c", "1.png"))
    with store.reading() as view:
        assert [merge.number for merge in view.merges()] == [second]
    with pytest.raises(GalleryError, match=f"no merge {first} to undo"):
        store.unmerge(first)
    store.unmerge(second)
    assert sources(store) == {"b": ["2.png"], "c": ["3.png"]}


def test_a_subject_whose_own_examples_went_is_removed_by_an_unmerge(store: Store) -> None:
    store.add("a", new(1))
    store.add("b", new(2))
    merge = store.merge("a", "b")
    store.remove_example(number(store, "b", "2.png"))
    assert store.unmerge(merge) == "a"
    assert sources(store) == {"a": ["1.png"]}


def test_rejections_stay_but_those_of_what_is_an_example_now(store: Store) -> None:
    store.add("a", new(1, 2))
    store.add("b", new(3))
    store.reject("b", new(1)[0])
    store.reject("b", new(8)[0])
    store.reject("a", new(9)[0])
    store.move_example(number(store, "a", "1.png"), "b")
    with store.reading() as view:
        assert [one.source for one in view.rejections("b")] == ["8.png"]
        assert [one.source for one in view.rejections("a")] == ["9.png"]


def test_a_confirmed_picture_of_a_subject_that_went_is_a_strangers(store: Store) -> None:
    from semelha.store import Plan, Scores

    store.add("a", new(1))
    store.add("b", new(2))
    none = np.empty(0, np.int64)
    with store.reading() as view:
        ours = view.number_of("a")
        scores = Scores(view.change, none, none, none, np.empty(0), None)
    plan = Plan("strangers", 0.5, 0)
    store.set_plan(plan, scores, Strangers(np.array([ours]), np.zeros((1, 2), np.float32)))
    store.move_example(number(store, "a", "1.png"), "b")
    with store.reading() as view:
        assert view.strangers().subjects.tolist() == [0]


def test_any_changes_keep_every_merge_that_is_listed_undoable_and_no_subject_empty(store: Store) -> None:
    """At random; and the logs tell an index from any change what is there now."""
    random = np.random.default_rng(0)
    held: dict[int, set[int]] = {}
    for name in "abcdef":
        store.add(name, new(*random.choice(12, size=6, replace=False).tolist()))
    for _ in range(200):
        with store.reading() as view:
            ids = view.added_since(0)[0].tolist()
            held[view.change] = set(ids)
            subjects = view.subjects()
            merges = [merge for merge in view.merges() if merge.inside is None]
        names = [subject.name for subject in subjects]
        assert all(subject.examples for subject in subjects)
        kind = random.random()
        if kind < 0.3 and len(names) > 2:
            store.merge(*random.choice(names, 2, replace=False).tolist())
        elif kind < 0.55 and merges:
            merge = merges[random.integers(len(merges))]
            if merge.source not in names:
                assert store.unmerge(merge.number) == merge.source
                assert sources(store)[merge.source], "it has examples"
        elif kind < 0.75:
            into = str(random.choice([*names, f"new {len(held)}"]))
            example = int(random.choice(ids))
            with store.reading() as view:
                same = view.owners([example])[example][0] == into
            if not same:
                store.move_example(example, into)
        elif kind < 0.85 and len(ids) > 10:
            store.remove_example(int(random.choice(ids)))
        else:
            store.add(str(random.choice(names)), new(int(random.integers(12, 40))))
    with store.reading() as view:
        now = set(view.added_since(0)[0].tolist())
        for change, ids_then in held.items():
            gone, added = view.removed_since(change).tolist(), view.added_since(change)[0].tolist()
            assert set(gone) <= ids_then
            assert (ids_then - set(gone)) | set(added) == now
