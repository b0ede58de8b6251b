"""Calibration of probabilities: equal to a plain loop, its gallery, and when it is not measured."""

from dataclasses import replace

import numpy as np
import pytest
from tests.evaluation.made import Known, dataset, evaluate

from semelha.evaluation import Protocol
from semelha.evaluation.probability import measure_probability
from semelha.images import Dataset
from semelha.metrics import Euclidean
from semelha.recognition.probability import fit_probability


def line(classes: int, each: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of classes on a line, equally many of each."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    return random.normal(0, 1, classes)[labels][:, None] + random.normal(0, noise, (classes * each, 1)), labels


@pytest.mark.parametrize("grouped", [False, True])
def test_equal_to_a_plain_loop(grouped: bool) -> None:
    """Pair by pair: two pictures of each enrolled class; learning ignores groups."""
    vectors, classes = line(60, 4, 0.01, 0)
    groups = np.tile(["a", "b", "c", "d"], 60) if grouped else None
    known, everything = np.arange(0, 60, 2), np.arange(240)
    found = measure_probability(vectors, Euclidean(), classes, groups, known, None, everything, 5)
    assert found.predictions is not None
    assert found.reliability is not None
    order = np.random.default_rng([5, 7]).permutation(np.flatnonzero(classes % 2 == 0))
    pairs = {one: [int(i) for i in order if classes[i] == one][:2] for one in known}
    enrolled = [i for pair in pairs.values() for i in pair]
    away = np.abs(vectors - vectors.T)
    own = np.array([away[a, b] for a, b in pairs.values()])
    other = np.array([min(away[a, i] for i in enrolled if classes[i] != one) for one, (a, _) in pairs.items()])
    curve = fit_probability(np.minimum(own, other), own < other, other)
    assert curve is not None
    mated, strangers = [], []
    for i in sorted(set(range(240)) - set(enrolled)):
        may = [j for j in enrolled if groups is None or groups[i] != groups[j]]
        nearest = min(may, key=lambda j: away[i, j])
        said = float(curve(away[i, [nearest]])[0])
        if classes[i] % 2:
            strangers.append((said, False))
        elif any(classes[j] == classes[i] for j in may):
            mated.append((said, bool(classes[nearest] == classes[i])))
    for got, expected in ((found.predictions.mated, mated), (found.predictions.non_mated, strangers)):
        np.testing.assert_allclose(got, [said for said, _ in expected], atol=1e-9)
    assert found.predictions.correct.tolist() == [right for _, right in mated]
    errors = [np.mean([(said - right) ** 2 for said, right in part]) for part in (mated, strangers)]
    assert found.reliability.brier == pytest.approx(np.mean(errors))


def test_calibration_improves_with_enrolled_pictures() -> None:
    """Learning leaves out one picture of each subject: half of two, little of eight."""
    vectors, classes = line(1000, 10, 0.0005, 1)
    turn, known = np.tile(np.arange(10), 1000), np.arange(0, 1000, 2)
    errors = {}
    for enrolled in (2, 8):
        gallery, probes = np.flatnonzero((classes % 2 == 0) & (turn < enrolled)), np.flatnonzero(turn >= 8)
        found = measure_probability(vectors, Euclidean(), classes, None, known, gallery, probes, 0)
        assert found.reliability is not None
        assert "isotonic" in found.note
        errors[enrolled] = found.reliability.ece
    assert errors[8] < 0.04 < errors[2]


def test_non_mated_probes_have_half_of_the_weight() -> None:
    """Also with nine times as many non-mated classes."""
    vectors, classes = line(300, 4, 0.001, 2)
    found = measure_probability(vectors, Euclidean(), classes, None, np.arange(30), None, np.arange(1200), 0)
    assert found.predictions is not None
    assert found.reliability is not None
    assert (len(found.predictions.mated), len(found.predictions.non_mated)) == (30 * 2, 270 * 4)
    assert found.reliability.weight @ found.reliability.observed == pytest.approx(found.predictions.correct.mean() / 2)


def test_the_protocol_chooses_enrolled_pictures() -> None:
    data = dataset(classes=60, each=4, split=["gallery", "gallery", "gallery", "query"].__getitem__)
    said = evaluate(Known(), data, fpir=0.1, resamples=0).result.open_set.probability.predictions
    assert said is not None
    assert (len(said.mated), len(said.non_mated)) == (30, 30)


def test_not_measured_with_one_enrolled_picture_of_each_subject() -> None:
    """The protocol's gallery is not replaced by another."""
    first = Protocol(enroll=lambda picture: picture.name.endswith("/0"))
    content = evaluate(Known(), dataset(classes=60), protocol=first, fpir=0.1).to_json()
    assert content["ece"] is content["brier"] is content["reliability"] is None
    assert not {"ece", "brier"} & set(content["intervals"])


@pytest.mark.parametrize(("classes", "each", "there"), [(40, 3, 20), (38, 3, 19), (200, 2, 0)])
def test_twenty_subjects_with_three_pictures_are_needed(classes: int, each: int, there: int) -> None:
    found = evaluate(Known(), dataset(classes=classes, each=each), fpir=0.2, resamples=0).result.open_set.probability
    if there == 20:
        assert found.reliability is not None
        assert "learned from 20 subjects with two enrolled pictures each, in a separate gallery" in found.note
    else:
        assert found.reliability is found.predictions is None
        assert found.note == f"{there} enrolled subjects have three pictures or more, and 20 are needed"


def test_the_note_says_which_probes_are_missing() -> None:
    vectors, classes = line(30, 3, 0.01, 3)
    everyone, everything = np.arange(30), np.arange(90)
    found = measure_probability(vectors, Euclidean(), classes, None, everyone, None, everything, 0)
    assert found.note == "there are no non-mated probes that may match an enrolled picture"
    gallery = np.flatnonzero(classes < 25)
    found = measure_probability(vectors, Euclidean(), classes, None, np.arange(25), gallery, everything, 0)
    assert found.note == "there are no mated probes that may match an enrolled picture"


def test_subjects_with_few_pictures_are_left_out() -> None:
    vectors, classes = line(50, 3, 0.01, 4)
    kept = ~((classes == 0) & (np.arange(150) % 3 == 2))  # the first class has two pictures
    found = measure_probability(
        vectors[kept], Euclidean(), classes[kept], None, np.arange(25), None, np.arange(kept.sum()), 0
    )
    assert found.predictions is not None
    assert set(found.predictions.mated_subject) == set(range(1, 25))
    assert set(found.predictions.non_mated_subject) == set(range(25, 50))


def test_the_seed_draws_the_gallery() -> None:
    data = dataset(classes=80, each=4)
    grouped = Dataset("grouped", tuple(replace(picture, group=picture.name[-1]) for picture in data))
    one, same, other = (evaluate(Known(), grouped, fpir=0.1, seed=seed).to_json() for seed in (0, 0, 1))
    assert one["ece"] == same["ece"] != other["ece"]
    assert one["intervals"]["ece"] == same["intervals"]["ece"]
    assert one["intervals"]["ece"][0] <= one["ece"] <= one["intervals"]["ece"][1]
    assert one["intervals"]["brier"][0] <= one["brier"] <= one["intervals"]["brier"][1]
