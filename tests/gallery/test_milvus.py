"""A gallery on Milvus: the same answers as in a folder, and as one after the other of several processes."""

import shutil
import sqlite3
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.gallery.made import enroll, made, nearest, numbers, photo, vectors
from tests.metrics.made import EVERY, rows
from tests.tiny_model import tiny_model

from semelha.embedders import Model
from semelha.errors import (
    GalleryError,
    MissingExtra,
    SemelhaError,
    SubjectExists,
    UsageError,
)
from semelha.gallery import Gallery, backup, diagnose, gallery_exists, migrate
from semelha.gallery.milvus.index import MilvusIndex
from semelha.index import LinearIndex
from semelha.metrics import MappedMetric
from semelha.store import NewExample
from semelha.store.milvus import journal as journal_module
from semelha.store.milvus.address import MilvusAddress
from semelha.store.milvus.changeset import Changeset
from semelha.store.milvus.client import Collection
from semelha.store.milvus.creation import check_metric, create_collection
from semelha.store.milvus.values import StoredVectors
from semelha.store.milvus.view import MilvusView

pytest.importorskip("milvus_lite")


@pytest.mark.parametrize("metric", [one for one in EVERY if isinstance(one, MappedMetric)], ids=lambda one: one.name)
def test_the_index_finds_what_a_scan_finds(metric: MappedMetric, place: str) -> None:
    """To the last digit, and in the same order where distances are the same or hardly differ."""
    stored = rows(metric, 100).astype(np.float32)
    stored[40:60] = stored[:20]
    if metric.domain == "vectors":
        stored[60:80] = stored[:20] * np.float32(1 + 2**-22)
    probes = np.concatenate([rows(metric, 8, seed=1), stored[:8].astype(np.float64)])
    address = MilvusAddress.of(place)
    assert address is not None
    collection, space = Collection(address), check_metric(metric)
    assert create_collection(collection, space, stored.shape[1], "model")
    kept = StoredVectors(collection, space)
    kept.write_numbered(range(1000, 1100), stored, 0)
    kept.write_numbered(range(2000, 2040), stored[:40], 0)  # of no example
    index, scan, ids = MilvusIndex(metric, collection, kept, None), LinearIndex(metric), np.arange(1, 101)
    norm = float(np.linalg.norm(space.map_stored(stored), axis=1).max())
    index.change(ids[:0], ids, np.arange(1000, 1100), norm)
    scan.add(ids, stored)
    for k in (1, 7, 150):
        found, expected = index.search(probes, k), scan.search(probes, k)
        assert np.array_equal(found.ids, expected.ids)
        assert np.array_equal(found.distances, expected.distances)
    within = np.arange(1, 101, 7)
    found, expected = index.search(probes, 5, within), scan.search(probes, 5, within)
    assert np.array_equal(found.ids, expected.ids)
    collection.close()


def test_a_calibrated_gallery_answers_as_one_in_a_folder_to_the_last_digit(place: str, tmp_path: Path) -> None:
    """On 1,000 subjects, some with the same vector, and with many that are nearly as far."""
    model = tiny_model(tmp_path / "model", dim=16)
    random = np.random.default_rng(0)
    drawn = random.normal(size=(1000, 2, 16)).astype(np.float32)
    drawn[500:600] = drawn[400:500]
    drawn[600:700] = drawn[400:500] * np.float32(1 + 2**-22)
    with made(tmp_path / "folder", model) as folder, made(place, model) as there:
        for gallery in (folder, there):
            batch = {f"s{number}": each for number, each in enumerate(drawn)}
            gallery._store.add_all([(name, _new(name, each)) for name, each in batch.items()])
            gallery.calibrate(fpir=0.01)
        mine, other = folder.calibration, there.calibration
        assert mine is not None
        assert other is not None
        assert mine.fpir == other.fpir
        for name in ("non_mated", "mated", "neighbors"):
            assert np.array_equal(getattr(mine, name), getattr(other, name)), name
        probes = np.concatenate([drawn[450:520, 0], random.normal(size=(60, 16)).astype(np.float32)])
        assert [one.to_json() for one in folder.identify_vectors(probes)] == [
            one.to_json() for one in there.identify_vectors(probes)
        ]
        folder.remove("s450")
        there.remove("s450")
        assert np.array_equal(folder.calibration.non_mated, there.calibration.non_mated)  # type: ignore[union-attr]


def _new(name: str, drawn: np.ndarray) -> list[NewExample]:
    return [NewExample(row, f"{name}-{turn}", f"{name}-{turn}", None) for turn, row in enumerate(drawn)]


def test_a_picture_and_a_vector_are_read_back_to_the_bit(place: str, tiny: Model, tmp_path: Path) -> None:
    with (
        Gallery.create(place, tiny, pictures=tmp_path / "there") as there,
        Gallery.create(tmp_path / "g", tiny) as here,
    ):
        for gallery in (there, here):
            gallery.enroll("a", photo(1))
        assert there.picture(1) == here.picture(1)
        with there._store.reading() as mine, here._store.reading() as other:
            assert mine.vectors([1])[1].tobytes() == other.vectors([1])[1].tobytes()


def test_servers_that_write_at_once_are_as_one_after_the_other(place: str, tiny: Model) -> None:
    """Names stay unique, and a picture is one example of a subject, whoever enrolls it."""
    with made(place, tiny) as first, Gallery(place) as second, Gallery(place) as third:
        errors: list[BaseException] = []

        def work(gallery: Gallery, own: int) -> None:
            try:
                for turn in range(4):
                    enroll(gallery, "shared", 10 * turn, 3)
                    enroll(gallery, f"own {own}", 1000 * own + 10 * turn, 2)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(one, own)) for own, one in enumerate((first, second, third), 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        assert numbers(first) == numbers(second) == numbers(third)
        seen = numbers(first)
        assert sorted(seen) == ["own 1", "own 2", "own 3", "shared"]
        assert sorted(seen["shared"]) == sorted(str(10 * turn + each) for turn in range(4) for each in range(3))
        assert [len(seen[f"own {own}"]) for own in (1, 2, 3)] == [8, 8, 8]
        assert len({one.number for name in first for one in first.examples(name)}) == 36
        outcomes = []

        def rename(gallery: Gallery, old: str) -> None:
            try:
                gallery.rename(old, "new")
                outcomes.append(True)
            except SubjectExists:
                outcomes.append(False)

        threads = [threading.Thread(target=rename, args=(one, f"own {own}")) for own, one in ((1, first), (2, second))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == [False, True]
        assert len(third) == 4


def test_only_one_of_several_creations_makes_the_gallery(place: str, tiny: Model) -> None:
    made(place, tiny).close()
    with pytest.raises(GalleryError, match="exists already"):
        made(place, tiny)


def test_a_change_that_this_process_cannot_commit_is_not_lost(place: str, tiny: Model) -> None:
    """It is in the journal: the process reads it from there, also before it compacts the journal."""

    class Failing:
        """A connection of which one COMMIT fails."""

        def __init__(self, db: sqlite3.Connection) -> None:
            self.db = db

        def execute(self, statement: str, *arguments: object) -> object:
            if statement == "COMMIT" and store._db is self:
                store._db = self.db
                raise sqlite3.OperationalError("disk I/O error")
            return self.db.execute(statement, *arguments)  # type: ignore[arg-type]

        def __getattr__(self, name: str) -> object:
            return getattr(self.db, name)

    with made(place, tiny) as gallery, Gallery(place) as other:
        store = gallery._store
        for name in ("read", "compacted"):
            store._db = Failing(store._db)  # type: ignore[assignment]
            with pytest.raises(GalleryError, match="disk I/O error"):
                enroll(gallery, name, 10 * len(name), 2)
            if name == "compacted":
                store.compact()  # type: ignore[attr-defined]
            assert len(numbers(gallery)[name]) == len(numbers(other)[name]) == 2
        enroll(gallery, "after", 500, 2)
        assert set(numbers(other)) == {"read", "compacted", "after"}


def test_the_largest_norm_is_kept_when_a_transaction_is_made_again(
    place: str, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It bounds the rounding of searches."""
    with made(place, tiny) as gallery:
        store = gallery._store

        def overtaken(changes: Changeset) -> None:
            monkeypatch.undo()
            raise journal_module.Overtaken

        monkeypatch.setattr(store._journal, "change", overtaken)  # type: ignore[attr-defined]
        enroll(gallery, "a", 0, 3)
        with store.reading() as view:
            assert isinstance(view, MilvusView)
            stored = [one.tobytes() for one in view.vectors_of("a")]
            assert view.max_norm() == store.vectors.norm(stored) > 0  # type: ignore[attr-defined]


def test_a_creation_that_was_cut_off_is_no_gallery(place: str, tiny: Model) -> None:
    """So that enrolling makes one there."""
    address = MilvusAddress.of(place)
    assert address is not None
    collection = Collection(address)
    assert create_collection(collection, check_metric(tiny.metric), tiny.dim + 1, "model")
    collection.close()
    assert not gallery_exists(place)
    made(place, tiny).close()
    assert gallery_exists(place)


def test_examples_that_the_server_does_not_find_are_read(
    place: str, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer is never shorter than the gallery allows; a vector that is gone is named."""
    with made(place, tiny) as gallery:
        enroll(gallery, "a", 0, 3)
        assert nearest(gallery, 1) == ("a", "1")
        snapshot = gallery._live.synced.index.snapshot()
        assert len(snapshot) == 3
        wanted = snapshot.search(vectors(0, 2, tiny.dim), 3)
        search = Collection.search

        def partial(self: Collection, queries: np.ndarray, limit: int, field: str) -> tuple[np.ndarray, np.ndarray]:
            rows, scores = search(self, queries, limit, field)
            rows[:, 1:], scores[:, 1:] = -1, np.nan
            return rows, scores

        monkeypatch.setattr(Collection, "search", partial)
        assert np.array_equal(snapshot.search(vectors(0, 2, tiny.dim), 3).ids, wanted.ids)
        monkeypatch.undo()
        gallery._store.vectors.delete(snapshot.examples.by_row.keys[:1].tolist())  # type: ignore[attr-defined]
        with pytest.raises(GalleryError, match="was removed while it was read"):
            snapshot.search(vectors(0, 2, tiny.dim), 3)


def test_what_is_not_there_is_said(place: str, tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="pictures must name"):
        Gallery.create(place, tiny)
    with pytest.raises(UsageError, match="recall of 1"):
        Gallery.create(place, tiny, keep_pictures=False, recall=0.9)
    with pytest.raises(UsageError, match="for galleries on Milvus alone"):
        Gallery.create(tmp_path / "folder", tiny, pictures=tmp_path)
    with pytest.raises(GalleryError, match="is no gallery"):
        Gallery(place)
    made(place, tiny).close()
    for call in (lambda: backup(place, tmp_path / "b"), lambda: migrate(place, tiny), lambda: diagnose(place)):
        with pytest.raises(UsageError, match="semelha copy"):
            call()
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(MissingExtra, match=r"semelha\[milvus\]"):
        Gallery(place)


@pytest.mark.parametrize(
    ("text", "server", "shown"),
    [
        ("milvus://h:1/shop", "http://h:1", "milvus://h:1/shop"),
        ("milvus:/h:1/shop", "http://h:1", "milvus://h:1/shop"),
        ("milvus://h/shop", "http://h:19530", "milvus://h:19530/shop"),
        ("milvus+tls://h.example/base/shop", "https://h.example:19530", "milvus+tls://h.example:19530/base/shop"),
        ("milvus://[::1]:5/shop", "http://[::1]:5", "milvus://[::1]:5/shop"),
    ],
)
def test_addresses(text: str, server: str, shown: str) -> None:
    """Also one that was made a path, which the command line does."""
    for given in (text, Path(text)):
        address = MilvusAddress.of(given)
        assert address is not None
        assert (address.server, str(address)) == (server, shown)


@pytest.mark.parametrize(
    "text", ["milvus://", "milvus://h", "milvus://h:1/", "milvus://h:1/a b", "milvus://u:p@h/shop"]
)
def test_an_address_that_is_incomplete_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="milvus://HOST"):
        MilvusAddress.of(text)


def test_folders_are_no_addresses(tmp_path: Path) -> None:
    assert MilvusAddress.of("shop") is None
    assert MilvusAddress.of(tmp_path / "milvus") is None


def test_the_files_of_a_process_are_gone_when_it_is_closed(place: str, tiny: Model) -> None:
    gallery = made(place, tiny)
    folders = list(gallery._store.folders)  # type: ignore[attr-defined]
    assert all(folder.is_dir() for folder in folders)
    gallery.close()
    assert not any(folder.exists() for folder in folders)
    with pytest.raises(SemelhaError, match="is closed"):
        len(gallery)
    shutil.rmtree(folders[0], ignore_errors=True)
