"""The journal of a gallery on Milvus: what is written, compacted and erased, also by several processes at a time."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.gallery.made import enroll, made, numbers, vectors
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.errors import GalleryError, GalleryUnavailable
from semelha.gallery import Gallery
from semelha.store.database import VERSION
from semelha.store.milvus import creation
from semelha.store.milvus import journal as journal_module
from semelha.store.milvus import store as store_module
from semelha.store.milvus.address import MilvusAddress
from semelha.store.milvus.changeset import Changeset, decode, encode, whole
from semelha.store.milvus.client import EXAMPLES, Collection
from semelha.store.milvus.consensus import BEFORE

pytest.importorskip("milvus_lite")


def changes_in(collection: Collection) -> list[Changeset]:
    """All changes and states that are in its rows, unpacked; not the settings, and the files of the model."""
    found = []
    for row in collection.find("kind in ['journal', 'part']", ["body"]):
        with suppress(GalleryError):
            found.append(decode(row["body"]))
    assert found
    return found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": VERSION + 1}, "made by a newer semelha: update semelha"),
        ({"format": 99}, "made by a newer semelha: update semelha"),
        ({"schema": VERSION - 1}, "made by an older semelha: copy it to a folder"),
        ({"schema": None}, "settings of .* are damaged"),
        ({"model": [1]}, "settings of .* are damaged"),
    ],
)
def test_settings_that_do_not_fit_are_told(
    place: str, tiny: Model, change: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creation, "asdict", lambda settings: asdict(settings) | change)
    with pytest.raises(GalleryError, match=message):
        made(place, tiny).close()
    with pytest.raises(GalleryError, match=message):
        Gallery(place)


def test_what_is_removed_is_in_no_row(place: str, tiny: Model, tmp_path: Path) -> None:
    """After it is closed neither the vector nor the picture nor the journal with the name is there."""
    with Gallery.create(place, tiny, pictures=tmp_path / "there") as gallery:
        gallery.enroll("stays", noise(0))
        gallery.enroll("Ana B.", noise(1))
        gallery.rename("Ana B.", "Ana")
        gallery.remove("Ana")
        gallery.enroll("Ana C.", noise(2))
        gallery.rename("Ana C.", "C.")
        assert "Ana" not in gallery
    address = MilvusAddress.of(place)
    assert address is not None
    collection = Collection(address)
    assert sum(len(rows) for rows in collection.iterate("", ["id"], EXAMPLES)) == 2
    assert len(list((tmp_path / "there").rglob("*.webp"))) == 2
    log = journal_module.Journal(collection)
    slot, state = log.latest()
    assert "Ana" not in repr(list(log.changesets(state)))
    assert {row["id"] for row in collection.find("kind == 'part'", [])} == set(state.numbers)
    assert [row["slot"] for row in collection.find("kind == 'state'", ["slot"])] == [slot]
    assert all(row["slot"] > slot for row in collection.find("kind == 'journal' and slot > 0", ["slot"]))
    assert "Ana" not in repr(changes_in(collection))
    collection.close()


def test_a_process_that_fell_behind_a_compaction_goes_on(
    place: str, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "KEPT", BEFORE)
    monkeypatch.setattr(store_module, "SMALL_JOURNAL", 100)
    with made(place, tiny) as writer, Gallery(place) as reader:
        enroll(writer, "a", 0, 2)
        assert "a" in reader
        for number in range(3 * BEFORE):
            enroll(writer, f"s{number}", 10 + 10 * number, 2)
        writer._store.tidy(0.0)  # type: ignore[attr-defined]
        enroll(writer, "z", 500, 2)
        assert numbers(reader) == numbers(writer)
        assert reader.identify_vectors(vectors(500, 1, tiny.dim))[0].candidates[0].subject == "z"
        enroll(reader, "y", 600, 2)
        assert numbers(reader) == numbers(writer)


def test_a_process_that_saw_only_the_creation_learns_of_a_compacted_journal(
    place: str, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first place of the journal is never deleted, but those after it are."""
    monkeypatch.setattr(journal_module, "KEPT", BEFORE)
    with made(place, tiny) as reader, Gallery(place) as writer:
        for number in range(3 * BEFORE):
            enroll(writer, f"s{number}", 10 * number, 2)
        writer._store.compact()  # type: ignore[attr-defined]
        assert numbers(reader) == numbers(writer)
        enroll(reader, "after", 500, 2)
        assert len(numbers(writer)) == 3 * BEFORE + 1


def test_changes_that_are_made_while_the_journal_is_compacted_are_not_lost(
    place: str, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the state is written once."""
    monkeypatch.setattr(journal_module, "KEPT", BEFORE)
    monkeypatch.setattr(store_module, "SMALL_JOURNAL", 100)
    states = 0
    with made(place, tiny) as first, Gallery(place) as second:

        def changed_meanwhile(db: sqlite3.Connection) -> Iterator[Changeset]:
            nonlocal states
            states += 1
            for number, changes in enumerate(whole(db)):
                enroll(second, f"meanwhile {number}", 1000 + 10 * number, 1)
                yield changes

        monkeypatch.setattr(store_module, "whole", changed_meanwhile)
        for number in range(2 * BEFORE):
            enroll(first, f"s{number}", 10 * number, 2)
        assert len(second) == 2 * BEFORE
        first._store.compact()  # type: ignore[attr-defined]
        assert states == 1
        monkeypatch.setattr(store_module, "whole", whole)
        assert len(numbers(first)) > 2 * BEFORE
        assert numbers(first) == numbers(second)
        second._store.tidy(0.0)  # type: ignore[attr-defined]
        with Gallery(place) as third:
            assert numbers(third) == numbers(first)
            assert third.identify_vectors(vectors(1000, 1, tiny.dim))[0].candidates[0].subject == "meanwhile 0"


def test_a_state_that_comes_late_is_nobody_s(place: str, tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is paused in the middle of writing one, and another writes a later one."""
    monkeypatch.setattr(journal_module, "KEPT", BEFORE)
    with made(place, tiny) as first, Gallery(place) as second:

        def overtaken(db: sqlite3.Connection) -> Iterator[Changeset]:
            for number, changes in enumerate(whole(db)):
                yield changes
                if not number:
                    monkeypatch.setattr(store_module, "whole", whole)
                    enroll(second, "later", 1000, 2)
                    second._store.compact()  # type: ignore[attr-defined]

        monkeypatch.setattr(store_module, "whole", overtaken)
        for number in range(2 * BEFORE):
            enroll(first, f"s{number}", 10 * number, 2)
        first._store.compact()  # type: ignore[attr-defined]
        assert len(numbers(first)) == 2 * BEFORE + 1
        with Gallery(place) as third:
            assert numbers(third) == numbers(first) == numbers(second)
    address = MilvusAddress.of(place)
    assert address is not None
    collection = Collection(address)
    (state,) = collection.find("kind == 'state'", ["body"])
    parts = collection.find("kind == 'part'", [])
    assert {row["id"] for row in parts} == set(journal_module.Entry.of(state["body"]).numbers)
    collection.close()


@pytest.mark.parametrize("failing", ["trim", "commit", "creation"])
def test_what_is_removed_is_in_no_row_also_if_the_server_failed(
    place: str, tiny: Model, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While rows were deleted; after the change was made and before that was told; or in an earlier creation."""
    address = MilvusAddress.of(place)
    assert address is not None
    gallery = made(place, tiny)
    enroll(gallery, "Ana", 0, 1)
    log = gallery._store._journal  # type: ignore[attr-defined]

    def failed(*_: object) -> None:
        monkeypatch.undo()
        raise GalleryUnavailable("the server does not answer")

    def failed_after(changes: Changeset) -> None:
        monkeypatch.undo()
        log.change(changes)
        failed()

    if failing == "creation":
        log.write("settings", [encode({"subjects": {"put": [[1, "Ana"]], "drop": []}})], 0)
    if failing == "commit":
        monkeypatch.setattr(log, "change", failed_after)
        with pytest.raises(GalleryUnavailable):
            gallery.remove("Ana")
    else:
        gallery.remove("Ana")
    if failing == "trim":
        monkeypatch.setattr(log, "trim", failed)
        with pytest.raises(GalleryUnavailable):
            gallery._store.tidy(0.0)  # type: ignore[attr-defined]
    gallery.close()
    collection = Collection(address)
    assert "Ana" not in repr(changes_in(collection))
    collection.close()
    with Gallery(place) as gallery:
        assert "Ana" not in gallery


def test_a_state_of_another_process_erases_too(place: str, tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """No second one is written."""
    with made(place, tiny) as first, Gallery(place) as second:
        enroll(first, "Ana", 0, 1)
        enroll(first, "Bea", 10, 1)
        first.remove("Ana")
        second.remove("Bea")
        second._store.tidy(0.0)  # type: ignore[attr-defined]
        monkeypatch.setattr(store_module, "whole", None)
        first._store.tidy(0.0)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["part", "commit"])
def test_missing_rows_of_the_journal_are_told(place: str, tiny: Model, kind: str) -> None:
    with made(place, tiny) as gallery:
        enroll(gallery, "a", 0, 2)
        gallery._store.compact()  # type: ignore[attr-defined]
    address = MilvusAddress.of(place)
    assert address is not None
    collection = Collection(address)
    collection.delete([row["id"] for row in collection.find(f"kind == '{kind}' and slot > 0", [])])
    collection.close()
    with pytest.raises(GalleryError, match="is damaged: rows of its journal are missing"):
        Gallery(place)
