"""The vectors of another model: gathered, kept, and taking the place of all there are, in one change or not at all."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest

from semelha.errors import GalleryError, GalleryMoved
from semelha.store import PLACES, NewExample, Plan, Scores, StagedVectors, Store, Strangers

(EXAMPLES,) = [place for place in PLACES if place.name == "examples"]
NONE = np.empty(0, np.int64)

Stage = Callable[..., StagedVectors]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Of the model "old": subject a with the examples 1 and 2, subject b with 3."""
    made = Store(tmp_path / "s.sqlite", "old")
    made.add("a", [example(1), example(2, b"a picture")])
    made.add("b", [example(3)])
    yield made
    made.close()


def example(number: int, picture: bytes | None = None) -> NewExample:
    return NewExample(np.array([number, 0.5], np.float32), f"hash {number}", f"{number}.png", picture)


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Stage]:
    """Opens the vectors of the new model, and puts some there."""
    with ExitStack() as opened:

        def open_and_put(numbers: tuple[int, ...] = (), model: str = "new", dim: int = 3) -> StagedVectors:
            made = opened.enter_context(closing(StagedVectors(tmp_path / "m" / "v.sqlite", model, dim)))
            rows = [(EXAMPLES, number, f"hash {number}", number == 2) for number in numbers]
            made.put(rows, np.array([[number, 7, 8] for number in numbers], np.float32).reshape(-1, 3))
            return made

        yield open_and_put


def test_every_table_of_vectors_has_its_place(store: Store) -> None:
    """Who adds one adds its place, or a gallery that moves is of two models.

    Strangers go with the calibration, and reviews go.
    """
    columns = store._db.execute(
        "SELECT t.name, c.name FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table'"
    )
    tables = {table for table, column in columns if "vector" in table or "vector" in column}
    assert {"vectors", "strangers"} <= tables
    for table in tables - {"strangers", "reviews"}:
        assert any(f" {table} " in place.put for place in PLACES), table


def test_what_is_there_to_embed(store: Store) -> None:
    with store.reading() as view:
        assert view.hashes(EXAMPLES) == {1: "hash 1", 2: "hash 2", 3: "hash 3"}
        kept = view.kept(EXAMPLES, [2, 3, 9])
    assert [(one.number, one.content_hash, one.subject, one.source, one.picture) for one in kept] == [
        (2, "hash 2", "a", "2.png", b"a picture"),
        (3, "hash 3", "b", "3.png", None),
    ]


def test_what_was_put_is_there_for_who_goes_on(staged: Stage) -> None:
    staged((1, 2)).close()
    again = staged((3,))
    assert again.done(EXAMPLES) == {1: ("hash 1", False), 2: ("hash 2", True), 3: ("hash 3", False)}


def test_vectors_of_another_model_or_length_are_not(staged: Stage, caplog: pytest.LogCaptureFixture) -> None:
    staged((1, 2)).close()
    assert staged(dim=4).done(EXAMPLES) == {}
    staged((1, 2)).close()
    assert staged(model="newer").done(EXAMPLES) == {}
    assert "it belongs to another model" in caplog.text


def test_a_place_that_cannot_be_written_is_said(staged: Stage, tmp_path: Path) -> None:
    (tmp_path / "m").write_text("a file where the folder should be")
    with pytest.raises(GalleryError, match="cannot be written to"):
        staged()


def test_it_takes_over_in_one_change_and_what_followed_the_old_vectors_is_at_an_end(
    store: Store, staged: Stage, tmp_path: Path
) -> None:
    store.remove("b")
    store.set_plan(Plan("subjects", 0.1, 0), Scores(3, NONE, NONE, NONE, np.empty(0)))
    with store.reading() as view:
        before = view.change
    store.switch_model(staged((1, 2, 3)), lambda view: {}, None)
    store.close()
    moved = Store(tmp_path / "s.sqlite", "old")
    assert moved.model == "new", "whatever it is said to be of"
    with moved.reading() as view:
        assert view.change == before + 1
        assert not view.reaches(before)
        assert view.scores() is None
        plan = view.plan()
        assert plan is not None
        assert (plan.fpir, plan.change) == (0.1, before + 1)
        assert view.picture(2) == b"a picture"
        np.testing.assert_array_equal(view.added_since(0)[1], [[1, 7, 8], [2, 7, 8]])
    moved.close()


def test_where_a_vector_lacks_nothing_changes(store: Store, staged: Stage) -> None:
    with pytest.raises(GalleryError, match="are incomplete"):
        store.switch_model(staged((1, 2)), lambda view: {}, None)
    other = staged((1, 2))
    other.put([(EXAMPLES, 3, "another hash", False)], np.ones((1, 3), np.float32))
    with pytest.raises(GalleryError, match="are incomplete"):
        store.switch_model(other, lambda view: {}, None)
    with store.reading() as view:
        assert view.added_since(0)[1].shape == (3, 2)
    assert store.model == "old"


def test_what_is_left_out_goes_with_its_subject_where_nothing_is_left(
    store: Store, staged: Stage, tmp_path: Path
) -> None:
    store.switch_model(staged((1,)), lambda view: {"examples": [2, 3]}, None)
    with closing(Store(tmp_path / "s.sqlite")) as again, again.reading() as view:
        assert [(one.name, one.examples) for one in view.subjects()] == [("a", 1)]
        assert view.picture(2) is None


def strangers(count: int, dim: int) -> Strangers:
    return Strangers(np.zeros(count, np.int64), np.ones((count, dim), np.float32))


@pytest.mark.parametrize(("given", "left"), [(None, 0), ((2, 3), 2)])
def test_strangers_go_with_their_calibration_or_come_anew(
    given: tuple[int, int] | None, left: int, store: Store, staged: Stage, tmp_path: Path
) -> None:
    store.set_plan(Plan("strangers", 0.1, 0), Scores(3, NONE, NONE, NONE, np.empty(0)), strangers(4, 2))
    store.switch_model(staged((1, 2, 3)), lambda view: {}, None if given is None else strangers(*given))
    with closing(Store(tmp_path / "s.sqlite")) as again, again.reading() as view:
        assert len(view.strangers().vectors) == left
        assert (view.plan() is None) == (left == 0)


CALLS: list[Callable[[Store], object]] = [
    lambda store: store.add("c", [example(4)]),
    lambda store: store.remove("a"),
    lambda store: store.rename("a", "c"),
    lambda store: store.trim(1),
    lambda store: store.reading().__enter__(),
]


@pytest.mark.parametrize("call", CALLS, ids=["add", "remove", "rename", "trim", "reading"])
def test_who_opened_it_before_is_told_at_every_call(
    call: Callable[[Store], object], store: Store, staged: Stage, tmp_path: Path
) -> None:
    other = Store(tmp_path / "s.sqlite")
    with other.reading() as view:
        store.switch_model(staged((1, 2, 3)), lambda view: {}, None)
        assert view.added_since(0)[1].shape == (3, 2), "a moment that is seen stays"
        with pytest.raises(GalleryMoved):
            view.refresh()
    for either in (store, other):
        with pytest.raises(GalleryMoved, match="from the model old to new: open it again"):
            call(either)
    other.close()
    database = sqlite3.connect(tmp_path / "s.sqlite")
    assert database.execute("SELECT name FROM subjects").fetchall() == [("a",), ("b",)]
    database.close()
