"""Faults that are put into made subjects on purpose come first; where there are none, little is said."""

import numpy as np
import pytest
from tests.recognition.curation.made import drawn, enrolled

from semelha.metrics import Cosine
from semelha.recognition.curation.faults import (
    fault_fraction,
    fault_probability,
    merge_candidates,
    mislabel_probabilities,
    near_duplicates,
    outliers,
    regular_fraction,
    split_candidates,
)
from semelha.recognition.curation.linkage import linkage_threshold


def test_wrong_labels_come_first() -> None:
    vectors, subjects = drawn(100, 8)
    random = np.random.default_rng(1)
    bad = random.choice(len(subjects), 16, replace=False)
    labels = subjects.copy()
    labels[bad] = (subjects[bad] + random.integers(1, 100, 16)) % 100
    chance, others = mislabel_probabilities(enrolled(vectors, labels), seed=0)
    first = np.argsort(-chance, kind="stable")[:16]
    assert len(set(first) & set(bad.tolist())) >= 15
    assert (others[bad] == subjects[bad]).mean() > 0.9
    told = np.flatnonzero(chance >= 0.5)
    assert np.isin(told, bad).mean() > 0.8
    assert np.isin(bad, told).mean() > 0.6


def test_a_wrong_label_among_many_examples() -> None:
    """Subjects with more examples than there are neighbors in the list."""
    vectors, subjects = drawn(6, 60, spread=0.4)
    labels = subjects.copy()
    labels[[10, 100, 200]] = [3, 4, 0]
    chance, others = mislabel_probabilities(enrolled(vectors, labels), seed=0)
    assert sorted(np.argsort(-chance, kind="stable")[:3].tolist()) == [10, 100, 200]
    assert np.delete(chance, [10, 100, 200]).max() < chance[[10, 100, 200]].min()
    assert others[[10, 100, 200]].tolist() == [0, 1, 3]


def test_right_labels_are_left_alone() -> None:
    """Without a wrong label next to nothing is told; a subject of one example is not assessed."""
    vectors, subjects = drawn(100, 8)
    chance, _ = mislabel_probabilities(enrolled(vectors, subjects), seed=0)
    assert (chance >= 0.5).mean() < 0.01
    alone, _ = mislabel_probabilities(enrolled(vectors[::8], subjects[::8]), seed=0)
    assert (alone == 0).all()


def test_the_same_seed_gives_the_same() -> None:
    vectors, subjects = drawn(30, 6, spread=0.9)
    found = enrolled(vectors, subjects)
    first, again = (mislabel_probabilities(found, seed=3)[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_the_chance_is_the_part_of_faults() -> None:
    """Of a mixture whose densities are known, near the true part of faults; and it never falls."""
    random = np.random.default_rng(0)
    observed = np.concatenate([random.normal(0, 1, 9500), random.normal(3, 1, 500)])
    made = random.normal(3, 1, 4000)
    assert 0.04 < fault_fraction(observed, made) < 0.06
    chance = fault_probability(observed, made)
    f0, f1 = (np.exp(-((observed - middle) ** 2) / 2) for middle in (0, 3))
    true = 0.05 * f1 / (0.95 * f0 + 0.05 * f1)
    assert np.abs(chance - true).mean() < 0.02
    assert (np.diff(chance[np.argsort(observed)]) >= 0).all()


@pytest.mark.parametrize(("things", "each", "draws"), [(3, 3, 150), (10, 4, 30), (60, 4, 6)])
@pytest.mark.parametrize("spread", [0.4, 0.8])
def test_a_score_is_not_above_the_part_of_wrong_labels(things: int, each: int, draws: int, spread: float) -> None:
    """Of galleries of any size, one label in twenty wrong: few pictures do not make a score near 1."""
    scores, faults = [], []
    for seed in range(draws):
        vectors, subjects = drawn(things, each, spread=spread, seed=seed)
        random = np.random.default_rng(1000 + seed)
        bad = random.random(len(subjects)) < 0.05
        labels = np.where(bad, (subjects + random.integers(1, things, len(subjects))) % things, subjects)
        labels = np.unique(labels, return_inverse=True)[1]
        scores.append(mislabel_probabilities(enrolled(vectors, labels), seed=0)[0])
        faults.append(bad)
    score, is_wrong = np.concatenate(scores), np.concatenate(faults)
    for least in (0.5, 0.7):
        told = score >= least
        assert told.sum() >= 10
        assert score[told].mean() <= is_wrong[told].mean()
    assert (score >= 0.5)[is_wrong].mean() > 0.6


def test_few_values_do_not_prove_a_fault() -> None:
    """Of k values far above hundreds of others 1 / (2 k + 2) is regular; of few values more, and of one half."""
    regular = np.random.default_rng(0).normal(size=400)
    for k in (1, 2, 9):
        found = regular_fraction(np.append(regular, np.full(k, 50.0)))
        np.testing.assert_allclose(found[-k:], 1 / (2 * k + 2), rtol=1e-3)
        assert (np.diff(found[np.argsort(regular)]) <= 0).all()
    few = regular_fraction(np.append(regular[:5], 50.0))[-1]
    assert 0.25 < few < 0.5
    assert regular_fraction(np.array([3.0])).tolist() == [0.5]
    assert regular_fraction(np.array([2.0, 2.0, 2.0, 9.0])).tolist() == [0.5, 0.5, 0.5, 0.25]


def test_near_duplicates_of_two_subjects() -> None:
    """A copy under another name is found; one under its own name is no fault."""
    vectors, subjects = drawn(20, 5)
    random = np.random.default_rng(0)
    copies = vectors[[3, 60]] + 1e-3 * random.normal(size=(2, 24)).astype(np.float32)
    found = enrolled(np.concatenate([vectors, copies]), np.append(subjects, [9, subjects[60]]))
    pairs, score = near_duplicates(found)
    assert pairs[score >= 0.5].tolist() == [[3, 100]]
    assert ((score >= 0) & (score <= 1)).all()


def test_an_outlier_is_far_from_its_own_too() -> None:
    vectors, subjects = drawn(40, 6, spread=0.3)
    far = np.random.default_rng(5).normal(size=24)
    vectors[17] = far / np.linalg.norm(far)
    score = outliers(enrolled(vectors, subjects))
    assert score.argmax() == 17
    assert score[17] > 0.99
    assert (score >= 0.5).sum() <= 2, "one more is far by chance in every second gallery"


def test_one_subject_under_two_names() -> None:
    vectors, subjects = drawn(60, 10)
    subjects = subjects.copy()
    subjects[4:10:2] = 60
    found = merge_candidates(enrolled(vectors, subjects), seed=0)
    assert found.subjects[found.probability.argmax()].tolist() == [0, 60]
    assert ((found.probability >= 0.5).sum()) <= 2
    for rows, subject in zip(found.groups[0], found.subjects[0], strict=True):
        assert (subjects[rows] == subject).all()


def test_two_subjects_under_one_name() -> None:
    vectors, subjects = drawn(60, 10)
    merged = np.where(subjects == 59, 0, subjects)
    found = split_candidates(enrolled(vectors, merged), seed=0)
    first = int(found.probability.argmax())
    assert found.subjects[first].tolist() == [0]
    assert found.probability[first] >= 0.5
    assert sorted({tuple(np.unique(subjects[group]).tolist()) for group in found.groups[first]}) == [(0,), (59,)]
    assert (found.probability >= 0.5).sum() <= 2


def test_nobody_and_one_subject() -> None:
    """Nothing is found where there is nothing to compare with, and nothing fails."""
    for vectors, subjects in (drawn(1, 1), drawn(1, 5), drawn(2, 2), drawn(3, 1)):
        found = enrolled(vectors, subjects)
        assert (mislabel_probabilities(found, 0)[0] < 0.9).all()
        assert len(outliers(found)) == len(found)
        near_duplicates(found)
        merge_candidates(found, 0)
        split_candidates(found, 0)


def test_the_parting_distance_lies_between() -> None:
    """Above the distances within subjects and below those between; lower where there is more to be mistaken for."""
    vectors, subjects = drawn(40, 8, spread=0.4)
    few, many = (linkage_threshold(vectors, subjects, Cosine(), others, seed=0) for others in (5.0, 5000.0))
    table = 1 - vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    same = subjects[:, None] == subjects
    assert few is not None
    assert many is not None
    assert np.median(table[same]) < many <= few < np.median(table[~same])
    assert linkage_threshold(vectors[::8], subjects[::8], Cosine(), 5.0, seed=0) is None
    assert linkage_threshold(vectors[:8], subjects[:8], Cosine(), 5.0, seed=0) is None
