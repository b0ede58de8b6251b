"""Merging subjects and parting them again: nothing is lost, an undo gives back what was, whatever came between."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semelha.errors import GalleryError, SubjectExists, SubjectNotFound, UsageError
from semelha.store import NewExample, Store
from semelha.store.database import connect


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "s.sqlite")
    yield made
    made.close()


def examples(*numbers: int) -> list[NewExample]:
    return [NewExample(np.array([n, 0.5], np.float32), f"hash {n}", f"{n}.png", b"%d" % n) for n in numbers]


def content(store: Store) -> dict[str, tuple[str, list[tuple[Any, ...]]]]:
    """Of every subject when it was made, and all that is kept of its examples, by their numbers."""
    with store.reading() as view:
        created = {subject.name: subject.created for subject in view.subjects()}
        ids, rows = view.added_since(0)
        vectors = dict(zip(ids.tolist(), rows.tolist(), strict=True))
        return {
            name: (
                created[name],
                [
                    (example, content_hash, view.owners([example])[example][1], vectors[example], view.picture(example))
                    for example, content_hash in view.examples_of(number)
                ],
            )
            for number, name in view.names().items()
        }


def held_by(store: Store) -> dict[str, list[str]]:
    """Sources of the examples of each subject."""
    with store.reading() as view:
        ids = view.added_since(0)[0].tolist()
        found: dict[str, list[str]] = {}
        for name, source in (view.owners([example])[example] for example in sorted(ids)):
            found.setdefault(name, []).append(source)
        return found


def test_examples_come_together_and_an_undo_gives_back_what_was(store: Store) -> None:
    """Also where both had the same picture: of that the one of the subject that remains stays."""
    store.add("a", examples(1, 2, 3))
    store.add("b", examples(3, 4))
    store.add("c", examples(5))
    before = content(store)
    number = store.merge("a", "b")
    assert held_by(store) == {"b": ["1.png", "2.png", "3.png", "4.png"], "c": ["5.png"]}
    with store.reading() as view:
        (merge,) = view.merges()
        assert (merge.number, merge.source, merge.into, merge.moved, merge.shared) == (number, "a", "b", 2, 1)
    assert store.unmerge(number) == "a"
    assert content(store) == before
    with store.reading() as view:
        assert view.merges() == []
        assert view.names() == {1: "a", 2: "b", 3: "c"}


def test_the_number_of_a_merged_subject_is_kept_for_it(store: Store) -> None:
    store.add("b", examples(1))
    store.add("a", examples(2))
    number = store.merge("a", "b")
    store.add("new", examples(3))
    store.unmerge(number)
    with store.reading() as view:
        assert view.names() == {1: "b", 2: "a", 3: "new"}


def test_a_subject_whose_number_was_given_away_gets_another(store: Store) -> None:
    """As older versions did."""
    store.add("b", examples(1))
    store.add("a", examples(2))
    number = store.merge("a", "b")
    store.add("new", examples(3))
    with closing(connect(store.path)) as database:
        row = database.execute("SELECT * FROM subjects WHERE id = 3").fetchone()
        database.execute("DELETE FROM subjects WHERE id = 3")
        database.execute("INSERT INTO subjects VALUES (2, ?, ?, ?, ?, ?)", row[1:])
        database.execute("DELETE FROM audit")
        database.execute("UPDATE examples SET subject_id = 2 WHERE subject_id = 3")
    store.unmerge(number)
    assert held_by(store) == {"a": ["2.png"], "b": ["1.png"], "new": ["3.png"]}
    with store.reading() as view:
        assert view.names() == {1: "b", 2: "new", 3: "a"}


def test_what_came_since_stays_with_the_subject_under_its_new_name(store: Store) -> None:
    store.add("a", examples(1))
    store.add("b", examples(2))
    number = store.merge("a", "b")
    store.add("b", examples(3))
    store.rename("b", "B")
    store.unmerge(number)
    assert held_by(store) == {"a": ["1.png"], "B": ["2.png", "3.png"]}


def test_merges_of_what_was_merged_are_undone_from_the_last_to_the_first(store: Store) -> None:
    for name, numbers in (("a", (1, 9)), ("b", (2, 9)), ("c", (1, 3)), ("d", (4, 9))):
        store.add(name, examples(*numbers))
    moments, numbers = [content(store)], []
    for source, into in (("a", "b"), ("b", "c"), ("c", "d")):
        numbers.append(store.merge(source, into))
        moments.append(content(store))
    with store.reading() as view:
        assert [(m.source, m.into, m.inside) for m in view.merges()] == [("a", "b", 2), ("b", "c", 3), ("c", "d", None)]
    with pytest.raises(GalleryError, match="undo the merge 2 first"):
        store.unmerge(1)
    assert content(store) == moments.pop()
    for number in reversed(numbers):
        store.unmerge(number)
        assert content(store) == moments.pop()


def test_of_two_merges_into_one_the_first_may_be_undone_first(store: Store) -> None:
    """What the second set aside, because the first had brought it already, comes back to the subject."""
    store.add("a", examples(1, 9))
    store.add("b", examples(2))
    store.add("c", examples(3, 9))
    before = content(store)
    first, second = store.merge("a", "b"), store.merge("c", "b")
    store.unmerge(first)
    assert held_by(store) == {"a": ["1.png", "9.png"], "b": ["2.png", "3.png", "9.png"]}
    store.unmerge(second)
    assert content(store) == before


def test_any_merges_and_undos_lose_nothing(store: Store) -> None:
    """At random, in any order: when all are undone, everything is as it was."""
    random = np.random.default_rng(0)
    for name in "abcdef":
        store.add(name, examples(*random.choice(8, size=4, replace=False).tolist()))
    before = content(store)
    for _ in range(60):
        with store.reading() as view:
            names = [subject.name for subject in view.subjects()]
            open_ = [merge.number for merge in view.merges() if merge.inside is None]
        if len(names) > 1 and random.random() < 0.55:
            store.merge(*random.choice(names, 2, replace=False).tolist())
        elif open_:
            store.unmerge(int(random.choice(open_)))
        pictures = [source for sources in held_by(store).values() for source in sources]
        assert set(pictures) == {row[2] for _, rows in before.values() for row in rows}
    while True:
        with store.reading() as view:
            left = [merge.number for merge in view.merges() if merge.inside is None]
        if not left:
            break
        store.unmerge(left[0])
    assert content(store) == before


def test_what_cannot_be_merged_or_undone(store: Store) -> None:
    """One sentence, and nothing changes."""
    store.add("a", examples(1))
    store.add("b", examples(2))
    for source, into, error in (("a", "a", UsageError), ("a", "x", SubjectNotFound), ("x", "a", SubjectNotFound)):
        with pytest.raises(error):
            store.merge(source, into)
    number = store.merge("a", "b")
    store.add("a", examples(3))
    before = content(store)
    with pytest.raises(SubjectExists, match="'a' already: rename it before"):
        store.unmerge(number)
    assert content(store) == before
    store.rename("a", "other")
    store.unmerge(number)
    with pytest.raises(GalleryError, match=f"no merge {number} to undo"):
        store.unmerge(number)


def test_with_the_subject_goes_what_was_kept_for_an_undo(store: Store) -> None:
    """Also what a merge inside its merge had set aside: no vector and no picture stays behind."""
    store.add("a", examples(1, 2))
    store.add("b", examples(2, 3))
    store.add("c", examples(3, 4))
    first = store.merge("a", "b")
    store.merge("b", "c")
    store.remove("c")
    with pytest.raises(GalleryError, match="what it made was removed"):
        store.unmerge(first)
    database = sqlite3.connect(store.path)
    for table in ("examples", "vectors", "pictures", "merges", "moved", "set_aside"):
        assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
    database.close()
    store.add("a", examples(1))
    store.add("b", examples(2))
    assert store.merge("a", "b") == 3, "numbers are not used again"


def test_the_logs_tell_of_a_merge_and_its_undo_what_an_index_must_know(store: Store) -> None:
    """Replayed from any change they give what is there now; moved examples stay where they are."""
    held = {}

    def moment() -> set[int]:
        with store.reading() as view:
            ids = set(view.added_since(0)[0].tolist())
            held[view.change] = ids
            return ids

    store.add("a", examples(1, 2))
    moment()
    store.add("b", examples(2, 3))
    moment()
    for _ in range(2):
        number = store.merge("a", "b")
        moment()
        store.unmerge(number)
        moment()
    store.remove("a")
    now = moment()
    with store.reading() as view:
        for change, ids in held.items():
            removed, added = view.removed_since(change).tolist(), view.added_since(change)[0].tolist()
            assert len(set(removed)) == len(removed)
            assert set(removed) <= ids
            assert (ids - set(removed)) | set(added) == now
            assert not (ids - set(removed)) & set(added)
