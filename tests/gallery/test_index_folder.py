"""The database is the truth: whatever happened to the files of an index, answers are the same, and a line says so."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.gallery.made import DELTA, GRAPH, enroll, index_files, nearest
from tests.tiny_model import tiny_model

from semelha.embedders import Model
from semelha.errors import GalleryError, UsageError
from semelha.gallery import Gallery
from semelha.index.settings import settings

COPY = "gallery.sqlite"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "model", dim=16)


@pytest.fixture
def gallery(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two segments and a few vectors more, settled and closed."""
    monkeypatch.setattr(settings, "max_delta_size", DELTA)
    monkeypatch.setattr(settings, "min_graph_size", GRAPH)
    with Gallery.create(tmp_path / "gallery", model, recall=0.9, threads=1) as made:
        for name, first, count in (("a", 0, 700), ("b", 1000, 60), ("c", 2000, 5)):
            enroll(made, name, first, count)
            made.flush()
        made.remove("c")
        enroll(made, "d", 3000, 5)
        made.flush()
        segments = made.index_stats()["segments"]
        assert isinstance(segments, list)
        assert sorted(each["kind"] for each in segments) == ["hnsw", "linear", "linear"]
    return tmp_path / "gallery"


def segment(gallery: Path, number: int) -> Path:
    return sorted((gallery / "index").glob("*.segment"), key=lambda path: path.stat().st_size)[number]


def flip(path: Path, place: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 0x10
    path.write_bytes(content)


def cut(path: Path, part: float) -> None:
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])


def swap(gallery: Path) -> None:
    one, other = segment(gallery, 0), segment(gallery, 1)
    one.rename(one.with_suffix(".x"))
    other.rename(one)
    one.with_suffix(".x").rename(other)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a byte of a segment": lambda gallery: flip(segment(gallery, 1), 0.5),
    "a byte of the small segment": lambda gallery: flip(segment(gallery, 0), 0.6),
    "a byte of the manifest": lambda gallery: flip(gallery / "index" / "manifest", 0.3),
    "a byte of the few": lambda gallery: flip(gallery / "index" / "manifest", 0.95),
    "a cut segment": lambda gallery: cut(segment(gallery, 1), 0.7),
    "an empty segment": lambda gallery: cut(segment(gallery, 0), 0),
    "a cut manifest": lambda gallery: cut(gallery / "index" / "manifest", 0.7),
    "an empty manifest": lambda gallery: cut(gallery / "index" / "manifest", 0),
    "a missing segment": lambda gallery: segment(gallery, 0).unlink(),
    "a missing manifest": lambda gallery: (gallery / "index" / "manifest").unlink(),
    "a missing index": lambda gallery: shutil.rmtree(gallery / "index"),
    "swapped segments": swap,
}


@pytest.mark.parametrize("harm", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_index_is_made_anew_and_said_once(
    gallery: Path, harm: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    harm(gallery)
    with Gallery.open(gallery) as opened:
        answers_are_right(opened)
        opened.flush()
        answers_are_right(opened)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the index is built again from the vectors" in caplog.text
    caplog.clear()
    with Gallery.open(gallery) as again:
        answers_are_right(again)
    assert caplog.records == []
    names = {path.name.split(".")[-1] for path in index_files(gallery)}
    assert names == {"manifest", "segment"}
    assert len(index_files(gallery)) == 2, "nothing is left of the old files"


def answers_are_right(gallery: Gallery) -> None:
    for name, first, count in (("a", 0, 700), ("b", 1000, 60), ("d", 3000, 5)):
        for number in (first, first + count // 2, first + count - 1):
            assert nearest(gallery, number) == (name, str(number))
    assert gallery.index_stats()["vectors"] == 765


def test_the_index_of_another_gallery_is_not_used(
    gallery: Path, model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the same model, as many vectors, as many changes."""
    with Gallery.create(tmp_path / "other", model, recall=0.9) as other:
        for name, first, count in (("a", 5000, 700), ("b", 6000, 60), ("c", 7000, 5)):
            enroll(other, name, first, count)
        other.remove("c")
        enroll(other, "d", 8000, 5)
        other.flush()
    shutil.rmtree(gallery / "index")
    shutil.copytree(tmp_path / "other" / "index", gallery / "index")
    with Gallery.open(gallery) as opened:
        answers_are_right(opened)
    assert "holds other vectors than the database" in caplog.text


def test_the_index_of_another_model_is_not_used(
    gallery: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Gallery.create(tmp_path / "other", tiny_model(tmp_path / "m", seed=1, dim=16), recall=0.9) as other:
        enroll(other, "a", 0, 60)
        other.flush()
    shutil.rmtree(gallery / "index")
    shutil.copytree(tmp_path / "other" / "index", gallery / "index")
    with Gallery.open(gallery) as opened:
        answers_are_right(opened)
    assert "is of another model or metric" in caplog.text


@pytest.mark.parametrize("since", [0, 1, 8])
def test_the_index_of_what_a_copy_of_the_database_took_the_place_of_is_not_used(
    random_changes: None, gallery: Path, tmp_path: Path, since: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The copy is of an earlier moment, and its gallery went on otherwise: to fewer, as many, or more changes."""
    shutil.copy(gallery / COPY, tmp_path / COPY)
    with Gallery.open(gallery) as opened:
        enroll(opened, "lost", 4000, 20)
        opened.flush()
    shutil.copy(tmp_path / COPY, gallery / COPY)
    with Gallery.open(gallery) as opened:
        for number in range(since):
            enroll(opened, "new", 9000 + 20 * number, 20)
        assert nearest(opened, 4003)[0] != "lost"
        assert nearest(opened, 700 - 1) == ("a", "699")
        if since:
            assert nearest(opened, 9019) == ("new", "9019")
        opened.flush()
    assert "the index is built again from the vectors" in caplog.text
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_an_index_that_the_log_does_not_reach_back_to_is_made_anew(
    gallery: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Gallery.open(gallery) as opened:
        enroll(opened, "e", 4000, 3)
        with opened._store.reading() as view:
            change = view.change
        opened._store.trim(change)
    with Gallery.open(gallery) as opened:
        answers = nearest(opened, 4001), nearest(opened, 1001)
    assert answers == (("e", "4001"), ("b", "1001"))
    assert "of a change that the database does not know" in caplog.text


def test_a_large_gallery_that_never_had_an_index_is_not_warned_of(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(settings, "max_delta_size", DELTA)
    with Gallery.create(tmp_path / "gallery", model) as made:
        enroll(made, "a", 0, 100)
    with Gallery.open(tmp_path / "gallery") as opened:
        assert nearest(opened, 50) == ("a", "50")
        opened.flush()
    assert caplog.records == []


@pytest.mark.parametrize(("recall", "threads", "said"), [(0.0, None, "recall is 0"), (1.1, 1, "recall"), (1, 0, "thr")])
def test_a_recall_that_cannot_be_makes_no_gallery(
    model: Model, tmp_path: Path, recall: float, threads: int | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        Gallery.create(tmp_path / "gallery", model, recall=recall, threads=threads)
    assert not (tmp_path / "gallery").exists()
    Gallery.create(tmp_path / "gallery", model).close()
    with pytest.raises(UsageError, match=said):
        Gallery.open(tmp_path / "gallery", recall=recall, threads=threads)


def test_the_recall_of_a_gallery_is_kept_before_there_is_an_index(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "gallery"
    Gallery.create(path, model, recall=0.8).close()
    with Gallery.open(path) as opened:
        assert opened.index_stats()["recall"] == 0.8
    settings = json.loads((path / "gallery.json").read_text())
    (path / "gallery.json").write_text(json.dumps({**settings, "recall": 7}))
    with pytest.raises(GalleryError, match=r"damaged: recall must be within \(0, 1\], not 7"):
        Gallery.open(path)
    del settings["recall"]  # as galleries were before
    (path / "gallery.json").write_text(json.dumps(settings))
    with Gallery.open(path) as opened:
        assert opened.index_stats()["recall"] == 0.99
