"""The rate under a gallery's own answers: subjects enrolled after they were called unknown do not calibrate."""

import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from tests.tiny_model import tiny_model

from semelha import Gallery
from semelha.embedders import Model
from semelha.errors import CalibrationError, GalleryError
from semelha.gallery.calibration.scores import score_subjects, weights_of
from semelha.recognition import Scoring
from semelha.store import Plan, called_unknown
from semelha.store.called_unknown import FILE
from semelha.store.database import TIMEOUT

DIM = 8


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return tiny_model(tmp_path_factory.mktemp("m") / "model", dim=DIM)


@pytest.fixture
def gallery(model: Model, tmp_path: Path) -> Gallery:
    """Thirty subjects, calibrated for 10%."""
    made = Gallery.create(tmp_path / "gallery", model)
    random = np.random.default_rng(0)
    for number in range(30):
        enroll(made, f"s{number}", draw(random))
    made.calibrate(fpir=0.1)
    return made


def draw(random: np.random.Generator, count: int = 1) -> np.ndarray:
    vectors = random.normal(size=(count, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def enroll(gallery: Gallery, name: str, vectors: np.ndarray) -> None:
    gallery.enroll_vectors(name, vectors, ["x"] * len(vectors), fingerprint=gallery.model.fingerprint)


def enroll_unknown(gallery: Gallery, name: str, random: np.random.Generator) -> np.ndarray:
    """Enroll the next stranger that the gallery does not name."""
    while True:
        vector = draw(random)
        if gallery.identify_vectors(vector)[0].decision != "known":
            enroll(gallery, name, vector)
            return vector


def screened(gallery: Gallery) -> set[str]:
    with gallery._store.reading() as view:
        return {view.name_of(number) or "" for number in view.screened().tolist()}


def test_screened_is_who_was_called_unknown_before(gallery: Gallery) -> None:
    random = np.random.default_rng(1)
    enroll_unknown(gallery, "asked", random)
    enroll(gallery, "never asked", draw(random))
    known = next(one for one in (draw(random) for _ in range(10_000)) if gallery.identify_vectors(one)[0].subject)
    enroll(gallery, "named wrongly", known)
    enroll(gallery, "s0", draw(random))
    assert screened(gallery) == {"asked"}


def test_answers_without_calibration_screen_nobody(model: Model, tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "gallery", model) as gallery:
        vector = draw(np.random.default_rng(0))
        gallery.identify_vectors(vector)
        enroll(gallery, "a", vector)
        assert not screened(gallery)


def test_pictures_are_recognized_in_another_process(gallery: Gallery) -> None:
    """Identified here and enrolled there, by path, array and file alike; renamed, merged and unmerged too."""
    random = np.random.default_rng(2)
    pictures = (random.integers(0, 256, (16, 16, 3), np.uint8) for _ in range(100))
    picture = next(one for one in pictures if gallery.identify(one).decision == "unknown")
    with Gallery(gallery.path) as other:
        other.enroll("new", [picture])
        other.rename("new", "newer")
        other.unmerge(other.merge("newer", "s1"))
        assert screened(other) == {"newer"}


def test_pictures_that_cluster_leaves_unknown(model: Model, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    things = random.integers(0, 256, (30, 16, 16, 3))
    photos = [[np.uint8(np.clip(one + random.normal(0, 2, one.shape), 0, 255)) for _ in range(2)] for one in things]
    with Gallery.create(tmp_path / "gallery", model) as gallery:
        for number, pair in enumerate(photos[:24]):
            gallery.enroll(f"s{number}", pair)
        gallery.calibrate(fpir=0.1)
        pictures = [one for pair in photos[24:] for one in pair]
        (new, *_) = [one for one in gallery.cluster(pictures) if not one.known]
        gallery.enroll(new.subject, [pictures[place] for place in new.pictures])
        assert screened(gallery) == {new.subject}


def test_scores_and_weights_by_a_plain_loop_while_the_gallery_changes(gallery: Gallery) -> None:
    """After every change the updated scores are those of a loop over the allowed pairs."""
    random = np.random.default_rng(4)
    plan, kept = Plan("subjects", 0.1, 0), None
    for turn in range(40):
        names = list(gallery)
        action = random.integers(5)
        if action < 2:
            enroll_unknown(gallery, f"n{turn}", random)
        elif action == 2:
            enroll(gallery, f"n{turn}", draw(random, 2))
        elif action == 3:
            enroll(gallery, names[random.integers(len(names))], draw(random))
        else:
            gallery.remove(names[random.integers(len(names))])
        with gallery._live.read() as state:
            kept = score_subjects(state.view, state.index, gallery.model, plan, kept)
            weights = weights_of(state.view, kept.subjects)
            numbers = sorted(state.view.names())
            stored = {number: state.view.vectors_of(state.view.names()[number]) for number in numbers}
            barred = set(state.view.screened().tolist())
            assert sorted(kept.subjects.tolist()) == [number for number in numbers if number not in barred]
            for row, subject in enumerate(kept.subjects.tolist()):
                vector = state.view.vectors([int(kept.examples[row])])[int(kept.examples[row])]
                others = [one for one in numbers if one != subject and (one not in barred or one < subject)]
                distances = gallery.model.metric.pairwise(vector[None], np.concatenate([stored[one] for one in others]))
                assert kept.distances[row] == pytest.approx(distances.min(), abs=1e-6)
                if weights is not None:
                    assert weights[row] == pytest.approx((len(numbers) - 1) / len(others))
        if len(gallery) < 25:
            enroll(gallery, f"m{turn}", draw(random))


def test_a_rate_without_support_says_so_and_comes_back(gallery: Gallery) -> None:
    random = np.random.default_rng(5)
    number = 0
    while gallery.calibration is not None:
        enroll_unknown(gallery, f"n{number}", random)
        number += 1
    assert number < 40
    answer = gallery.identify_vectors(draw(random))[0]
    assert answer.decision == "uncalibrated"
    assert answer.note.startswith("the calibrated rate does not hold any more: a rate of 0.1 needs")
    assert "calibrate with at least 9 strangers" in answer.note
    with pytest.raises(CalibrationError, match="had called others unknown"):
        gallery.calibrate(fpir=0.1)
    strangers = [random.integers(0, 256, (16, 16, 3), np.uint8) for _ in range(12)]
    assert gallery.calibrate(fpir=0.1, strangers=strangers).largest_weight == 1
    assert gallery.identify_vectors(draw(random))[0].decision != "uncalibrated"


def test_too_few_subjects_left_says_so(gallery: Gallery) -> None:
    for number in range(20):
        gallery.remove(f"s{number}")
    note = gallery.identify_vectors(draw(np.random.default_rng(0)))[0].note
    assert note.startswith("the calibrated rate does not hold any more: a rate of 0.1 needs 19 subjects")


def test_other_scorings_take_strangers_then(gallery: Gallery) -> None:
    enroll_unknown(gallery, "new", np.random.default_rng(6))
    with pytest.raises(CalibrationError, match="takes pictures of strangers"):
        gallery.calibrate(fpir=0.1, scoring=Scoring("nearest", "margin"))


@pytest.mark.folder_only
def test_identifying_does_not_wait_for_a_writer(gallery: Gallery) -> None:
    """What is called unknown while another process writes is recorded all the same."""
    some = draw(np.random.default_rng(9), 20)
    writer = sqlite3.connect(gallery.path / "gallery.sqlite", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    answers = gallery.identify_vectors(some)
    assert time.monotonic() - begun < TIMEOUT
    writer.execute("ROLLBACK")
    writer.close()
    first = next(row for row, one in enumerate(answers) if one.decision == "unknown")
    with Gallery(gallery.path) as other:
        enroll(other, "new", some[first][None])
        assert screened(other) == {"new"}


@pytest.mark.folder_only
def test_answers_of_a_gallery_that_cannot_be_written(gallery: Gallery, caplog: pytest.LogCaptureFixture) -> None:
    (gallery.path / FILE).mkdir()
    assert len(gallery.identify_vectors(draw(np.random.default_rng(9), 20))) == 20
    assert "not recorded" in caplog.text
    with pytest.raises(GalleryError, match="cannot be read"):
        enroll(gallery, "new", draw(np.random.default_rng(8)))


def test_the_file_is_cut_and_damage_to_it_forgets_only_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(called_unknown, "MOST", 10)
    file = called_unknown.CalledUnknown(tmp_path / FILE)
    assert not called_unknown.is_any_among(["0"], file.read())
    for number in range(25):
        file.record([str(number)])
    assert not called_unknown.is_any_among(["0", "5"], file.read())
    assert called_unknown.is_any_among(["x", "24"], file.read())
    with open(tmp_path / FILE, "ab") as damaged:
        damaged.write(b"cut")
    assert called_unknown.is_any_among(["24"], file.read())


def test_the_rate_holds_under_own_answers(model: Model, tmp_path: Path) -> None:
    """Eight galleries nearly double by what they called unknown."""
    rates = []
    for seed in range(8):
        random = np.random.default_rng(100 + seed)
        with Gallery.create(tmp_path / f"gallery {seed}", model) as gallery:
            enroll_all(gallery, draw(random, 40))
            gallery.calibrate(fpir=0.1)
            while len(gallery) < 64:
                some = draw(random, 8)
                answers = gallery.identify_vectors(some, k=1)
                enroll_all(gallery, some[[one.decision != "known" for one in answers]])
            answers = gallery.identify_vectors(draw(random, 400), k=1)
            rates.append(np.mean([one.decision == "known" for one in answers]))
    assert np.mean(rates) <= 0.1 + 2 * np.std(rates) / np.sqrt(len(rates))


def enroll_all(gallery: Gallery, vectors: np.ndarray) -> None:
    for vector in vectors:
        enroll(gallery, f"s{len(gallery)}", vector[None])
