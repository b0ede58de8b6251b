"""Every change of a gallery is in its audit log, with who made it; and no name that was deleted is."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.tiny_model import noise, tiny_model

from semelha.embedders import Model
from semelha.errors import GalleryError, SubjectNotFound, UsageError
from semelha.gallery import Gallery, acting_as, migrate
from semelha.images import Dataset, Picture
from semelha.store import audit


@pytest.fixture
def gallery(tiny: Model, tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.create(tmp_path / "shop", tiny, threads=1) as made:
        yield made


def actions(gallery: Gallery) -> list[tuple[str, str | None, str | None, int | None, int | None]]:
    """What the log says, oldest first."""
    return [(one.action, one.subject, one.other, one.item, one.examples) for one in reversed(gallery.audit(limit=1000))]


def test_every_change_has_an_entry(gallery: Gallery) -> None:
    gallery.enroll("a", [noise(1), noise(2), noise(3)])
    gallery.enroll_dataset(Dataset("d", (Picture(noise(4), "b", "4"), Picture(noise(5), "c", "5"))))
    vectors = gallery.model.embed([noise(6)])
    gallery.enroll_vectors("d", vectors, ["6"], fingerprint=gallery.model.fingerprint)
    gallery.rename("d", "e")
    example = gallery.examples("a")[0].number
    gallery.move_example(example, "b")
    merge = gallery.merge("b", "c")
    gallery.unmerge(merge)
    rejection = gallery.reject(noise(7), "c")
    gallery.withdraw_rejection(rejection)
    last = gallery.examples("a")[-1].number
    gallery.remove_example(last)
    gallery.calibrate(fpir=0.5, uncertain=0.7)
    assert actions(gallery) == [
        ("enroll", "a", None, None, 3),
        ("enroll_dataset", "b", None, None, 1),
        ("enroll_dataset", "c", None, None, 1),
        ("enroll", "e", None, None, 1),
        ("rename", "e", None, None, None),
        ("move_example", "a", "b", example, 1),
        ("merge", "b", "c", merge, 2),
        ("unmerge", "c", "b", merge, 2),
        ("reject", "c", None, rejection, None),
        ("withdraw_rejection", "c", None, rejection, None),
        ("remove_example", "a", None, last, 1),
        ("calibrate", None, None, None, None),
    ]
    assert gallery.audit(limit=1)[0].detail == "fpir 0.5, uncertain 0.7, scoring nearest, on subjects"
    assert {one.who for one in gallery.audit()} == {audit.system_user()}
    assert gallery.remove("e") == 1
    assert gallery.remove_all() == 3
    assert [one[0] for one in actions(gallery)[-2:]] == ["remove", "remove_all"]
    assert gallery.audit(limit=1)[0].examples == 4


def test_a_change_that_fails_has_none(gallery: Gallery) -> None:
    gallery.enroll("a", noise(1))
    gallery.enroll("b", noise(2))
    before = actions(gallery)
    for call in (
        lambda: gallery.rename("a", "b"),
        lambda: gallery.remove("nobody"),
        lambda: gallery.merge("a", "a"),
        lambda: gallery.reject(noise(1), "a"),
        lambda: gallery.move_example(gallery.examples("a")[0].number, "a"),
    ):
        with pytest.raises((GalleryError, UsageError)):
            call()
    assert actions(gallery) == before


def test_who_acts(gallery: Gallery) -> None:
    with acting_as(" till-3\x1b"):
        gallery.enroll("a", noise(1))
        with acting_as("desk"):
            gallery.enroll("b", noise(2))
        gallery.enroll("c", noise(3))
    gallery.enroll("d", noise(4))
    assert [one.who for one in gallery.audit()] == [audit.system_user(), r"till-3\x1b", "desk", r"till-3\x1b"]
    with pytest.raises(UsageError, match="empty"), acting_as(" "):
        pass


def test_pages(gallery: Gallery) -> None:
    for number in range(5):
        gallery.enroll("ab"[number % 2], noise(number))
    newest = gallery.audit(limit=2)
    rest = gallery.audit(before=newest[-1].number)
    assert [one.number for one in (*newest, *rest)] == [5, 4, 3, 2, 1]
    assert [one.number for one in gallery.audit("b")] == [4, 2]
    assert gallery.audit(before=1) == []
    with pytest.raises(SubjectNotFound):
        gallery.audit("nobody")
    with pytest.raises(UsageError, match="limit"):
        gallery.audit(limit=0)


@pytest.mark.folder_only
def test_a_deleted_name_is_nowhere_in_the_files(gallery: Gallery, tmp_path: Path) -> None:
    gallery.enroll("first-secret", noise(1))
    gallery.rename("first-secret", "second-secret")
    gallery.merge("second-secret", gallery.enroll("third-secret", noise(2)).subject)
    assert gallery.audit()[0].subject == "second-secret", "a merge can be undone: it keeps the name"
    gallery.remove("third-secret")
    assert {one.subject for one in gallery.audit()} == {None}
    assert [one.subject_number for one in gallery.audit()] == [2, 1, 2, 1, 1]
    gallery.close()
    for path in (tmp_path / "shop").iterdir():
        if path.is_file():
            assert b"secret" not in path.read_bytes(), path


def test_a_number_is_not_used_again(gallery: Gallery) -> None:
    """Otherwise the entries of a deleted subject would have the name of a new one."""
    gallery.enroll("old", noise(1))
    gallery.remove("old")
    gallery.enroll("new", noise(2))
    assert [(one.subject, one.subject_number) for one in gallery.audit()] == [("new", 2), (None, 1), (None, 1)]
    gallery.merge("new", gallery.enroll("other", noise(3)).subject)
    gallery.enroll("last", noise(4))
    assert gallery.audit("last")[0].subject_number == 4


def test_the_oldest_entries_go_first(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MOST", 3)
    for number in range(6):
        gallery.enroll("a", noise(number))
    assert [one.number for one in gallery.audit()] == [6, 5, 4]


@pytest.mark.folder_only
def test_a_migration_has_an_entry(gallery: Gallery, tmp_path: Path) -> None:
    gallery.enroll("a", noise(1))
    other = tiny_model(tmp_path / "other", seed=1)
    with acting_as("operator"):
        migrate(gallery.path, other)
    with Gallery(gallery.path) as opened:
        newest = opened.audit(limit=1)[0]
    assert (newest.who, newest.action, newest.examples) == ("operator", "migrate", 0)
    assert newest.detail == f"from the model {gallery.model.fingerprint[:12]} to {other.fingerprint[:12]}"


@pytest.mark.folder_only
def test_what_was_set_aside_has_an_entry(gallery: Gallery) -> None:
    gallery.enroll("a", [noise(1), noise(2)])
    gallery.close()
    with closing(sqlite3.connect(gallery.path / "gallery.sqlite")) as database:
        database.execute("DROP TRIGGER examples_updated")
        database.execute("UPDATE examples SET source = 'x' WHERE id = 1")
        database.commit()
    with Gallery(gallery.path) as opened:
        newest = opened.audit(limit=1)[0]
    assert (newest.action, newest.examples, newest.detail) == ("set aside", 1, "1 damaged rows")
