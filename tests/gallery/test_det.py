"""The DET curve of a gallery: it is what identifying the left-out examples gives, and it says what rates need."""

from pathlib import Path

import numpy as np
import pytest

from semelha.embedders import Model
from semelha.errors import UsageError
from semelha.gallery import Gallery
from semelha.recognition import Scoring

SUBJECTS = 40


def rows(seed: int, count: int, dim: int) -> np.ndarray:
    """Examples of one thing, (count, dim) float32 of unit length."""
    random = np.random.default_rng(seed)
    made = random.normal(size=dim) + 0.5 * random.normal(size=(count, dim))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def enroll(gallery: Gallery, name: str, vectors: np.ndarray) -> None:
    sources = [f"{name} {number}" for number in range(len(vectors))]
    gallery.enroll_vectors(name, vectors, sources, fingerprint=gallery.model.fingerprint)


@pytest.fixture
def gallery(tiny: Model, tmp_path: Path) -> Gallery:
    """Subjects with three examples each, and one with a single one."""
    made = Gallery.create(tmp_path / "gallery", tiny)
    for number in range(SUBJECTS):
        enroll(made, f"s{number:02}", rows(number, 3, tiny.dim))
    enroll(made, "single", rows(1000, 1, tiny.dim))
    return made


@pytest.mark.parametrize("scoring", ["nearest", "mean-margin"])
def test_the_misses_are_those_of_identifying_each_example_without_it(gallery: Gallery, scoring: str) -> None:
    """But for the scores of the gallery without the example, which hardly differ."""
    fpir = 0.1
    gallery.calibrate(fpir=fpir, scoring=Scoring.from_name(scoring))
    curve = gallery.det_curve()
    assert (curve.is_calibrated, curve.fpir, curve.kind, curve.n) == (True, fpir, "subjects", SUBJECTS + 1)
    assert (curve.probes, curve.subjects, curve.note) == (3 * SUBJECTS, SUBJECTS, "")
    point = max((one for one in curve.points if one.fpir <= fpir), key=lambda one: one.fpir)
    missed = wrong = 0
    for name in [one.name for one in gallery.subjects() if one.name != "single"][:10]:
        with gallery._store.reading() as view:
            stored = view.vectors_of(name)
        for number, vector in enumerate(stored):
            gallery.remove(name)
            enroll(gallery, name, np.delete(stored, number, axis=0))
            gallery.calibrate(fpir=fpir, scoring=Scoring.from_name(scoring))
            (found,) = gallery.identify_vectors(1.001 * vector[None])  # of another hash: it is enrolled again
            missed += found.subject != name
            wrong += found.subject not in (name, None)
        gallery.remove(name)
        enroll(gallery, name, stored)
    assert point.fnir is not None
    assert point.wrong is not None
    assert point.fnir_interval is not None
    assert abs(point.fnir - missed / 30) < 0.15
    assert abs(point.wrong - wrong / 30) < 0.1
    assert point.fnir_interval.low < point.fnir < point.fnir_interval.high


def test_stricter_rates_miss_more_and_have_lower_thresholds(gallery: Gallery) -> None:
    points = gallery.det_curve().points
    assert len(points) == SUBJECTS  # 2 / 42 to 41 / 42
    assert [one.fpir for one in points] == pytest.approx([k / 42 for k in range(2, 42)])
    for column in ([one.threshold for one in points], [-(one.fnir or 0) + (one.wrong or 0) for one in points]):
        assert column == sorted(column)
    assert len(gallery.det_curve(max_points=10).points) <= 17  # with the usual rates


def test_the_threshold_is_that_of_identify(gallery: Gallery) -> None:
    """A probe below it is known; one above the next score is not, whatever its neighbors."""
    gallery.calibrate(fpir=0.2)
    points = gallery.det_curve().points
    at = max(place for place, one in enumerate(points) if one.fpir <= 0.2)
    for found in gallery.identify_vectors(np.concatenate([rows(5000 + i, 1, gallery.model.dim) for i in range(200)])):
        assert found.distance is not None
        if found.distance < points[at].threshold:
            assert found.decision == "known"
        elif found.distance > points[at + 1].threshold:
            assert found.decision == "unknown"


def test_changed_answers_are_those_between_two_rates(gallery: Gallery) -> None:
    curve = gallery.det_curve()
    strict, loose = curve.points[3], curve.points[15]
    found = gallery.changed_answers(loose.fpir, strict.fpir)
    named = {one: 1 - one.fnir + one.wrong for one in (strict, loose) if one.fnir is not None and one.wrong is not None}
    assert found.total == round((named[loose] - named[strict]) * curve.probes) == len(found.answers) > 0
    assert found == gallery.changed_answers(strict.fpir, loose.fpir)
    rates = [one.fpir for one in found.answers]
    assert rates == sorted(rates)
    assert strict.fpir < rates[0] <= rates[-1] <= loose.fpir
    for one in found.answers:
        assert gallery.example(one.example).subject == one.subject
        assert gallery.example(one.nearest).subject == one.named
        assert one.nearest != one.example
    pages = [gallery.changed_answers(strict.fpir, loose.fpir, offset=at, limit=3).answers for at in range(0, 60, 3)]
    assert sum(pages, ()) == found.answers
    strangers = gallery.changed_answers(0, loose.fpir, "non_mated")
    assert 0 < strangers.total / curve.n <= loose.fpir
    assert all(one.named != one.subject for one in strangers.answers)


def test_few_subjects_have_no_curve_and_strangers_no_false_positives_to_show(tiny: Model, tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "new", tiny) as gallery:
        assert gallery.det_curve().points == () != gallery.det_curve().note
        enroll(gallery, "a", rows(0, 2, tiny.dim))
        assert gallery.det_curve().n == 0 == gallery.changed_answers(0, 1).total
        for number in range(5):
            enroll(gallery, f"b{number}", rows(number + 1, 2, tiny.dim))
        pictures = [np.random.default_rng(i).integers(0, 256, (20, 20, 3), np.uint8) for i in range(12)]
        gallery.calibrate(fpir=0.2, strangers=pictures)
        curve = gallery.det_curve()
        assert (curve.kind, curve.n, curve.points[0].fpir) == ("strangers", 12, 1 / 13)
        assert gallery.changed_answers(0, 1, "non_mated").total == 0
        assert gallery.changed_answers(0, 1).total == 12


def test_what_a_stricter_rate_needs_and_what_is_drawn(gallery: Gallery) -> None:
    curve = gallery.det_curve(max_probes=10)
    assert (curve.probes, curve.subjects) == (10, 4)
    assert curve.note == "10 examples, of subjects drawn at random"
    needed = {one.fpir: (one.size, one.missing, one.strangers) for one in curve.required}
    assert needed[0.1] == (19, 0, 9)
    assert needed[0.01] == (199, 199 - SUBJECTS - 1, 99)
    for wrong in (
        lambda: gallery.det_curve(max_points=1),
        lambda: gallery.det_curve(max_probes=10**9),
        lambda: gallery.changed_answers(0, 2),
        lambda: gallery.changed_answers(0, 1, "all"),
        lambda: gallery.changed_answers(0, 1, limit=0),
    ):
        with pytest.raises(UsageError):
            wrong()
