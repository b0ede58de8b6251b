"""Pictures to review: kept up to a number, enrolled or deleted whole, and leaving nothing behind."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from semelha.errors import NumberNotFound
from semelha.store import NewExample, NewReview, ReviewedAnswer, Store

ANSWER = ReviewedAnswer(0.5, 0.25, None, 0.1, ((1, 0.5), (2, float("inf"))))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "s.sqlite")
    yield made
    made.close()


def example(number: int) -> NewExample:
    return NewExample(
        np.array([number, 0.5], np.float32), f"hash {number}", f"{number}.png", f"picture-{number:08}".encode()
    )


def new(*numbers: int) -> list[NewReview]:
    return [NewReview("unknown", ANSWER, example(number)) for number in numbers]


def test_a_review_is_read_as_it_was_kept(store: Store) -> None:
    assert store.keep_reviews(new(1, 2), 10) == [1, 2]
    with store.reading() as view:
        assert view.review_kinds() == {1: "unknown", 2: "unknown"}
        found = view.reviews([2])[2]
        assert (found.number, found.source, found.has_picture, found.answer) == (2, "2.png", True, ANSWER)
        numbers, vectors = view.review_vectors()
        assert (numbers.tolist(), vectors.tolist()) == ([1, 2], [[1, 0.5], [2, 0.5]])
        assert view.review_picture(1) == b"picture-00000001"
        with pytest.raises(NumberNotFound):
            view.review_picture(3)


def test_keeping_is_no_change_of_the_gallery(store: Store) -> None:
    """Indexes and calibrations of readers stay as they are."""
    store.add("a", [example(1)])
    with store.reading() as view:
        before, state = view.change, view.review_state()
    store.keep_reviews(new(2), 10)
    store.dismiss_reviews([1])
    with store.reading() as view:
        assert view.change == before
        assert view.review_state() != state


def test_the_oldest_go_first_and_pictures_that_are_known_are_left_out(store: Store) -> None:
    store.add("a", [example(1)])
    assert store.keep_reviews(new(1, 2, 2, 3, 4), 2) == [2, 3]
    assert store.keep_reviews(new(4, 3), 2) == []
    with store.reading() as view:
        assert list(view.review_kinds()) == [2, 3]


def test_all_or_none_are_resolved_or_dismissed(store: Store) -> None:
    store.keep_reviews(new(1, 2, 3), 10)
    for call in (lambda: store.resolve_reviews([1, 9], "a"), lambda: store.dismiss_reviews([2, 9])):
        with pytest.raises(NumberNotFound, match="there is no review 9"):
            call()
    with store.reading() as view:
        assert (view.subject_count(), len(view.review_kinds())) == (0, 3)
    added = store.resolve_reviews([2, 1, 2], "a")
    assert (added.subject, len(added.numbers)) == ("a", 2)
    with store.reading() as view:
        assert [one.source for one in view.examples("a")] == ["1.png", "2.png"]
        assert view.picture(added.numbers[0]) == b"picture-00000001"
        assert list(view.review_kinds()) == [3]


def test_a_subject_of_what_was_called_unknown_is_screened(store: Store) -> None:
    store.called_unknown.record(["hash 1"])
    store.keep_reviews(new(1, 2), 10)
    store.resolve_reviews([1], "a")
    store.resolve_reviews([2], "b")
    with store.reading() as view:
        assert view.screened().tolist() == [view.number_of("a")]


def test_an_enrolled_picture_needs_no_review(store: Store) -> None:
    store.keep_reviews(new(1, 2), 10)
    store.add("a", [example(1)])
    with store.reading() as view:
        assert list(view.review_kinds()) == [2]


def test_nothing_of_a_dismissed_review_is_left_on_the_disk(store: Store) -> None:
    store.keep_reviews(new(1, 2, 3), 10)
    store.dismiss_reviews([2])
    files = b"".join(path.read_bytes() for path in store.path.parent.iterdir())
    assert b"picture-00000001" in files
    assert b"picture-00000002" not in files
    assert b"hash 2" not in files


def test_numbers_are_not_used_again(store: Store) -> None:
    store.keep_reviews(new(1, 2), 10)
    store.dismiss_reviews([1, 2])
    assert store.keep_reviews(new(3), 10) == [3]


def test_a_damaged_review_is_left_out_alone(store: Store) -> None:
    store.keep_reviews(new(1, 2), 10)
    store.close()
    with closing(sqlite3.connect(store.path)) as database, database:
        database.execute("DROP TRIGGER reviews_updated")
        database.execute("UPDATE reviews SET vector = x'00' WHERE id = 1")
    again = Store(store.path)
    with again.reading() as view:
        assert list(view.review_kinds()) == [2]
    again.close()
