"""Merged subjects in a gallery: answers, the calibration and the index follow, there and back."""

from pathlib import Path

import numpy as np
import pytest
from tests.gallery.made import enroll, nearest, vectors

from semelha.embedders import Model
from semelha.errors import SubjectExists
from semelha.gallery import Gallery
from semelha.gallery.calibration.rule import rule_of
from semelha.gallery.calibration.scores import score_subjects
from semelha.gallery.live_index import IndexFolder
from semelha.index.settings import settings
from semelha.store import Plan


@pytest.fixture
def gallery(tiny: Model, tmp_path: Path) -> Gallery:
    return Gallery.create(tmp_path / "gallery", tiny)


def scores(gallery: Gallery) -> list[float]:
    assert gallery.calibration is not None
    return list(gallery.calibration.scores.tolist())


def afresh(gallery: Gallery) -> list[float]:
    """The scores of every subject drawn and searched anew."""
    plan = Plan("subjects", 0.3, seed=0)
    with gallery._live.read() as state:
        found = score_subjects(state.view, state.index, gallery.model, plan, None)
        return list(rule_of(state.view, plan, found).calibration.scores.tolist())


def test_a_merged_subject_answers_for_both(gallery: Gallery) -> None:
    enroll(gallery, "a", 1, 2)
    enroll(gallery, "b", 10, 1)
    number = gallery.merge("a", "b")
    assert [(subject.name, subject.examples) for subject in gallery.subjects()] == [("b", 3)]
    assert nearest(gallery, 1) == ("b", "1")
    assert [merge.into for merge in gallery.merges()] == ["b"]
    assert gallery.unmerge(number) == "a"
    assert nearest(gallery, 1) == ("a", "1")
    assert gallery.merges() == []


def test_renaming_onto_another_name_merges_nothing(gallery: Gallery) -> None:
    enroll(gallery, "a", 1, 1)
    enroll(gallery, "b", 2, 1)
    with pytest.raises(SubjectExists):
        gallery.rename("a", "b")
    assert len(gallery) == 2


def test_the_calibration_follows_a_merge_and_its_undo(gallery: Gallery) -> None:
    """It is that of a gallery calibrated afresh, and after an undo the one before; two that were each other's nearest
    are no strangers to each other while they are one."""
    for number in range(20):
        enroll(gallery, f"s{number}", 3 * number, 2)
    twin = vectors(0, 1, gallery.model.dim) + np.float32(1e-3)
    gallery.enroll_vectors("twin", twin, ["twin"], fingerprint=gallery.model.fingerprint)
    enroll(gallery, "twin", 1, 1)  # a picture that both have
    gallery.calibrate(fpir=0.3)
    before = scores(gallery)
    first = gallery.merge("twin", "s0")
    merged = scores(gallery)
    assert merged == pytest.approx(afresh(gallery), rel=1e-9)
    assert min(merged) > min(before)
    second = gallery.merge("s7", "s3")
    assert scores(gallery) == pytest.approx(afresh(gallery), rel=1e-9)
    gallery.unmerge(first)
    assert scores(gallery) == pytest.approx(afresh(gallery), rel=1e-9)
    gallery.unmerge(second)
    assert scores(gallery) == pytest.approx(before, rel=1e-12)
    assert afresh(gallery) == pytest.approx(before, rel=1e-9)


@pytest.mark.folder_only
def test_the_index_on_the_disk_follows(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made of small segments, merged, saved and opened again between every two steps, by the difference alone."""
    monkeypatch.setattr(settings, "max_delta_size", 10)
    for number in range(12):
        enroll(gallery, f"s{number}", 4 * number, 4)
    enroll(gallery, "twin", 0, 4)  # all of its pictures are those of s0

    def reopened(gallery: Gallery, settle: bool) -> Gallery:
        if settle:
            gallery.flush()
        gallery.close()
        return Gallery.open(gallery.path)

    gallery.flush()
    monkeypatch.setattr(IndexFolder, "read_vectors", None)  # from now on nothing is made anew
    for settle in (True, False, True):
        number = gallery.merge("twin", "s0")
        gallery = reopened(gallery, settle)
        assert nearest(gallery, 2) == ("s0", "2")
        gallery.unmerge(number)
        gallery = reopened(gallery, settle)
        assert nearest(gallery, 2)[1] == "2"
        assert gallery.index_stats()["vectors"] == 52
        assert gallery.remove("s0") == 4
        assert nearest(gallery, 2) == ("twin", "2")
        enroll(gallery, "s0", 0, 4)
    gallery.close()
