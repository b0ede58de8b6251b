"""A gallery that goes on with another model: the same as enrolled afresh, nothing lost meanwhile, nothing mixed."""

import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.gallery.made import DELTA
from tests.gallery.moved import check_of, during, kept, rows, vectors
from tests.tiny_model import noise, tiny_model

import semelha
from semelha.embedders import Model
from semelha.errors import FingerprintMismatch, GalleryError, GalleryMoved
from semelha.features import HOG
from semelha.gallery import Gallery, migrate
from semelha.gallery.folder import DATABASE
from semelha.gallery.migration import migration
from semelha.images import Picture
from semelha.index.settings import settings


def test_the_vectors_are_those_of_enrolling_the_kept_pictures_afresh_and_all_else_stays(path: Path, new: Model) -> None:
    everything = (
        "SELECT id, name, subjects.created FROM subjects",
        "SELECT id, subject_id, source, created FROM examples",
    )
    before = [rows(path, query) for query in everything], kept(path)
    done = migrate(path, new.folder)
    assert (done.migrated, done.subjects, done.examples, done.originals) == (True, 12, 25, 0)
    assert done.dropped == done.warnings == ()
    check_of(path, new)
    assert [rows(path, query) for query in everything] == before[0]
    assert kept(path).keys() == before[1].keys()
    with Gallery.open(path) as gallery:
        assert gallery.model.fingerprint == new.fingerprint == done.model
        assert gallery.identify(noise(7)).subject == "s3"
        gallery.enroll("later", noise(99))
        assert gallery.identify(noise(99)).subject == "later"


@pytest.mark.filterwarnings("ignore::semelha.linear.subspace.RankDeficiencyWarning")
def test_the_metric_of_the_new_model_is_taken_with_it(path: Path, tmp_path: Path) -> None:
    pictures = tuple(Picture(noise(50 + i) // (1 + i % 2), f"c{i // 2}", str(i)) for i in range(12))
    learned = semelha.train(semelha.Dataset("x", pictures), out=tmp_path / "gmml", method="gmml", features=HOG())
    migrate(path, learned)
    pairs = np.float64(learned.embed([noise(4), kept(path)[6]]))
    with Gallery.open(path) as gallery:
        found = {
            match.example: match.distance for one in gallery.identify(noise(4)).candidates for match in one.examples
        }
    assert found[6] == pytest.approx(learned.metric.pairwise(pairs[:1], pairs[1:])[0, 0], rel=1e-4)


def test_the_same_model_again_says_that_there_is_nothing_to_do(path: Path, tiny: Model, new: Model) -> None:
    before = vectors(path)
    done = migrate(path, tiny)
    assert (done.migrated, done.previous_model, done.model) == (False, tiny.fingerprint, tiny.fingerprint)
    assert all(np.array_equal(vector, before[number]) for number, vector in vectors(path).items())
    migrate(path, new)
    assert not migrate(path, new).migrated


def test_an_empty_gallery_moves(tiny: Model, new: Model, tmp_path: Path) -> None:
    Gallery.create(tmp_path / "gallery", tiny).close()
    assert migrate(tmp_path / "gallery", new).migrated
    with Gallery.open(tmp_path / "gallery") as gallery:
        gallery.enroll("a", noise(1))
        assert gallery.identify(noise(1)).subject == "a"


def test_what_is_done_to_the_gallery_meanwhile_is_in_the_new_one(path: Path, new: Model) -> None:
    """The writer has the gallery open all the time, and enrolls more than is embedded while writers wait."""

    def use() -> None:
        gallery.enroll("new", [noise(number) for number in range(100, 100 + 2 * migration.MAX_LOCKED)])
        gallery.enroll("s2", noise(200))
        gallery.remove("s1")
        gallery.rename("s3", "other")
        assert gallery.identify(noise(200)).subject == "s2", "the old one answers"

    with Gallery.open(path) as gallery:
        done = migrate(path, new, progress=during(use))
        names = dict(rows(path, "SELECT name, id FROM subjects"))
        assert {"new", "other"} <= names.keys()
        assert not {"s1", "s3"} & names.keys()
        assert done.examples == 25 - 2 + 2 * migration.MAX_LOCKED + 1
    check_of(path, new)


def test_what_comes_when_all_seemed_done_is_embedded_while_writers_wait_or_before(
    path: Path, new: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few are, more are not: then there is another round."""
    waiting = [migration.MAX_LOCKED + 1, 2]
    whole = migration._embed_pending

    def catch_up(*arguments: Any) -> None:
        whole(*arguments)
        count = waiting.pop(0)
        with Gallery.open(path) as gallery:
            gallery.enroll("late", [noise(1000 * count + i) for i in range(count)])

    monkeypatch.setattr(migration, "_embed_pending", catch_up)
    assert migrate(path, new).examples == 25 + migration.MAX_LOCKED + 1 + 2
    assert waiting == []
    check_of(path, new)


def test_who_has_the_gallery_open_is_told_to_open_it_again_and_writes_nothing(path: Path, new: Model) -> None:
    with Gallery.open(path) as gallery, Gallery.open(path) as unused:
        gallery.calibrate(fpir=0.2)
        assert gallery.identify(noise(3)).subject == "s1"
        migrate(path, new)
        before = rows(path, "SELECT count(*) FROM examples")
        for act in (
            lambda: gallery.identify(noise(3)),
            lambda: gallery.enroll("more", noise(300)),
            lambda: gallery.remove("s1"),
            lambda: gallery.rename("s1", "x"),
            lambda: gallery.calibrate(fpir=0.2),
            gallery.subjects,
            gallery.flush,
            lambda: unused.enroll("more", noise(300)),
            lambda: unused.verify_subject(noise(3), "s1"),
        ):
            with pytest.raises(GalleryMoved, match=r"was moved from the model .* to .*: open it again"):
                act()
        assert rows(path, "SELECT count(*) FROM examples") == before
    check_of(path, new)


def test_a_writer_that_waits_for_the_last_step_is_told(path: Path, new: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its vector is of the old model: it is unusable, not written."""
    told: list[BaseException] = []

    def write() -> None:
        try:
            with gallery:
                gallery.enroll("late", noise(500))
        except GalleryMoved as error:
            told.append(error)

    writer = threading.Thread(target=write)
    gallery = Gallery.open(path)
    whole = migration._LastRound.__call__

    def last(self: migration._LastRound, view: Any) -> Any:
        writer.start()
        writer.join(0.5)
        assert writer.is_alive(), "it waits"
        return whole(self, view)

    monkeypatch.setattr(migration._LastRound, "__call__", last)
    migrate(path, new)
    writer.join()
    assert len(told) == 1
    assert not rows(path, "SELECT 1 FROM subjects WHERE name = 'late'")
    check_of(path, new)


def test_a_damaged_file_of_gathered_vectors_is_begun_anew(
    path: Path, new: Model, caplog: pytest.LogCaptureFixture
) -> None:
    (path / "migration").mkdir()
    (path / "migration" / f"{new.fingerprint[:16]}.sqlite").write_bytes(b"no database" * 500)
    assert migrate(path, new).examples == 25
    assert "cannot be used, its pictures are embedded again" in caplog.text
    check_of(path, new)


def test_calibrating_meanwhile_is_not_lost(path: Path, new: Model, tiny: Model) -> None:
    with Gallery.open(path) as gallery:
        with pytest.raises(GalleryError, match="calibrated during the migration: call it again"):
            migrate(path, new, progress=during(lambda: gallery.calibrate(fpir=0.2) and None))
        assert gallery.calibration is not None
    assert migrate(path, new).calibrated


def test_one_at_a_time_moves_a_gallery(path: Path, new: Model, tmp_path: Path) -> None:
    other = tiny_model(tmp_path / "other", seed=3)

    def second() -> None:
        with pytest.raises(GalleryError, match=r"another process migrates .*: wait"):
            migrate(path, other)

    assert migrate(path, new, progress=during(second)).migrated


def test_another_model_may_be_chosen_after_a_migration_that_was_cut_short(
    path: Path, new: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(migration, "_embed_pending", stop)
        with pytest.raises(KeyboardInterrupt):
            migrate(path, new)
    other = tiny_model(tmp_path / "other", seed=3, dim=5)
    migrate(path, other)
    check_of(path, other)


@pytest.mark.filterwarnings("error")
def test_the_index_is_made_anew_for_the_recall_that_it_had(
    tiny: Model, new: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(settings, "max_delta_size", DELTA)
    path = tmp_path / "gallery"
    with Gallery.create(path, tiny, recall=0.9) as gallery:
        gallery.enroll("many", [noise(number) for number in range(3 * DELTA)])
        gallery.flush()
    with Gallery.open(path, recall=0.8) as gallery:
        gallery.flush()
    old = {each.name: each.read_bytes() for each in (path / "index").iterdir()}
    caplog.clear()
    migrate(path, new)
    with Gallery.open(path) as gallery:
        stats = gallery.index_stats()
        assert (stats["recall"], stats["vectors"]) == (0.8, 3 * DELTA)
        assert stats["on_disk"] == stats["change"]
    assert caplog.records == []

    migrate(path, tiny)  # and back: the index of before is of this model, but of other vectors
    for each in (path / "index").iterdir():
        each.unlink()
    for name, data in old.items():
        (path / "index" / name).write_bytes(data)
    with Gallery.open(path) as gallery:
        assert gallery.index_stats()["vectors"] == 3 * DELTA
    assert "the index is built again" in caplog.text


def test_an_older_copy_of_the_database_is_refused_until_it_is_migrated_too(path: Path, tiny: Model, new: Model) -> None:
    copy = path.with_name("copy.sqlite")
    database = sqlite3.connect(path / DATABASE)
    database.execute("VACUUM INTO ?", (str(copy),))
    database.close()
    migrate(path, new)
    for end in ("-wal", "-shm"):
        path.joinpath(DATABASE + end).unlink(missing_ok=True)
    os.replace(copy, path / DATABASE)
    with pytest.raises(
        FingerprintMismatch, match=rf"holds vectors of .*{tiny.fingerprint[:12]}.* has .*{new.fingerprint[:12]}"
    ):
        Gallery.open(path)
    migrate(path, new)
    check_of(path, new)


def test_a_gallery_from_before_the_database_told_its_model_moves(path: Path, tiny: Model, new: Model) -> None:
    database = sqlite3.connect(path / DATABASE)
    with database:
        database.execute("DELETE FROM meta WHERE key = 'model'")
    database.close()
    assert migrate(path, new).previous_model == tiny.fingerprint
    check_of(path, new)


def test_what_was_rejected_and_what_a_merge_set_aside_move_too(path: Path, new: Model) -> None:
    with Gallery.open(path) as gallery:
        gallery.enroll("s1", noise(60))
        gallery.enroll("s2", noise(60))
        merge = gallery.merge("s1", "s2")
        gallery.reject(noise(61), "s3")
    migrate(path, new)
    for query, seed in [("SELECT vector FROM rejections", 61), ("SELECT vector FROM set_aside", 60)]:
        ((blob,),) = rows(path, query)
        expected = new.embed([noise(seed)])[0].astype(np.float64)
        found = np.frombuffer(blob, "<f4").astype(np.float64)
        assert found.shape == expected.shape
        assert new.metric.pairwise(found[None], expected[None])[0, 0] < 0.1  # of the copy that was kept
    with Gallery.open(path) as gallery:
        gallery.unmerge(merge)
        assert "s3" not in [one.subject for one in gallery.identify(noise(61)).candidates]
    check_of(path, new)
