"""Calibration: the formula, the guarantee on simulated galleries, and what is refused."""

import numpy as np
import pytest

from semelha.errors import CalibrationError, UsageError
from semelha.recognition import Candidate, Scoring, decide, full_conformal, split_conformal
from semelha.recognition.calibration import min_sample_size
from semelha.recognition.identify import decision_for


def test_the_formula_of_full_conformal_by_a_plain_loop() -> None:
    random = np.random.default_rng(0)
    scores = random.integers(0, 8, 30) / 8  # with ties
    calibration = full_conformal(scores, 0.2)
    distances, nearest = random.integers(0, 9, 50) / 8, random.integers(-1, 30, 50)
    for p, a, nn in zip(calibration.p_values(distances, nearest), distances, nearest, strict=True):
        own = nn >= 0 and scores[nn] > a
        assert p == pytest.approx((1 + sum(score <= a for score in scores) + own) / 31)


def test_the_formula_of_split_conformal() -> None:
    calibration = split_conformal(np.array([0.1, 0.2, 0.3, 0.4]), 0.2)
    assert calibration.p_values(np.array([0.05, 0.2, 0.9])).tolist() == [0.2, 0.6, 1.0]
    assert calibration.accepts(np.array([0.05, 0.2])).tolist() == [True, False]


@pytest.mark.parametrize("fpir", [0.2, 0.1, 0.05])
def test_strangers_like_the_subjects_are_named_no_more_often_than_asked(fpir: float) -> None:
    """60 points of one distribution are enrolled and one more is the stranger, 3,000 times."""
    random = np.random.default_rng(1)
    named = np.empty(3000)
    for i in range(len(named)):
        points = random.normal(size=(61, 3))
        apart = np.linalg.norm(points[:, None] - points[None, :], axis=2)
        np.fill_diagonal(apart, np.inf)
        calibration = full_conformal(apart[:60, :60].min(axis=1), fpir)
        named[i] = calibration.accepts(apart[60:, :60].min(axis=1), apart[60:, :60].argmin(axis=1))[0]
    error = np.sqrt(fpir * (1 - fpir) / len(named))
    assert named.mean() <= fpir + 2 * error
    assert named.mean() >= fpir / 3


@pytest.mark.parametrize(("fpir", "subjects", "strangers"), [(0.01, 199, 99), (0.05, 39, 19), (0.5, 3, 1)])
def test_rates_that_the_number_cannot_support_are_refused(fpir: float, subjects: int, strangers: int) -> None:
    assert min_sample_size(fpir, "subjects") == subjects
    assert min_sample_size(fpir, "strangers") == strangers
    full_conformal(np.arange(subjects) / subjects, fpir)
    split_conformal(np.arange(strangers) / strangers, fpir)
    with pytest.raises(CalibrationError, match="enroll 1 more"):
        full_conformal(np.arange(subjects - 1) / subjects, fpir)
    with pytest.raises(CalibrationError, match="add pictures of 1 more"):
        split_conformal(np.arange(strangers - 1) / strangers, fpir)


def test_a_supported_rate_can_be_reached() -> None:
    """With just enough subjects, a probe nearer than anything is known."""
    calibration = full_conformal(np.ones(199), 0.01)
    assert calibration.accepts(np.array([0.5]), np.array([3])).all()


@pytest.mark.parametrize("fpir", [0, 1, -0.1, 2, float("nan")])
def test_rates_that_are_none(fpir: float) -> None:
    with pytest.raises(UsageError):
        full_conformal(np.ones(500), fpir)


@pytest.mark.parametrize("name", ["nearest", "nearest-margin", "nearest-cohort"])
def test_full_conformal_with_the_probe_among_the_neighbors_by_a_plain_loop(name: str) -> None:
    scoring = Scoring.from_name(name)
    random = np.random.default_rng(5)
    apart = random.random((40, 40))  # need not be symmetric: examples of a subject and one drawn of it
    np.fill_diagonal(apart, np.inf)
    ranked = np.sort(apart, axis=1)[:, : scoring.depth]
    calibration = full_conformal(ranked, 0.2, scoring=scoring)
    probes = random.random((30, 40))
    order = np.argsort(probes, axis=1)
    found = calibration.p_values(np.take_along_axis(probes, order, axis=1), order)
    for p, distances in zip(found, probes, strict=True):
        score = scoring(np.sort(distances))
        lower = 0
        for subject in range(40):
            everybody = np.sort([*np.delete(apart[subject], subject), distances[subject]])
            lower += scoring(everybody) <= score
        assert p == pytest.approx((1 + lower) / 41)


@pytest.mark.parametrize("name", ["nearest-margin", "nearest-cohort"])
def test_the_guarantee_holds_for_scores_that_look_at_the_cohort(name: str) -> None:
    scoring, fpir = Scoring.from_name(name), 0.1
    random = np.random.default_rng(6)
    named = np.empty(2000)
    for i in range(len(named)):
        points = random.normal(size=(41, 3)) * random.choice([1, 3], (41, 1))
        apart = np.linalg.norm(points[:, None] - points[None, :], axis=2)
        np.fill_diagonal(apart, np.inf)
        calibration = full_conformal(np.sort(apart[:40, :40], axis=1)[:, : scoring.depth], fpir, scoring=scoring)
        order = np.argsort(apart[40:, :40], axis=1)
        named[i] = calibration.accepts(np.take_along_axis(apart[40:, :40], order, axis=1), order)[0]
    assert fpir / 3 <= named.mean() <= fpir + 2 * np.sqrt(fpir * (1 - fpir) / len(named))


def test_two_rates_set_the_borders() -> None:
    calibration = split_conformal(np.arange(100) / 100, 0.05, uncertain=0.2)
    p_values = calibration.p_values(np.array([0.03, 0.1, 0.3]))
    assert [decision_for(float(p), calibration) for p in p_values] == ["known", "uncertain", "unknown"]
    alone = split_conformal(np.arange(100) / 100, 0.05)
    assert [decision_for(float(p), alone) for p in p_values] == ["known", "unknown", "unknown"]
    for wrong in (0.05, 0.01, 1.0):
        with pytest.raises(UsageError, match=r"uncertain is .*: it must lie between fpir"):
            split_conformal(np.arange(100) / 100, 0.05, uncertain=wrong)


def test_an_uncertain_answer_names_nobody_and_says_who_it_may_be() -> None:
    calibration = split_conformal(np.arange(100) / 100, 0.05, uncertain=0.2)
    candidates = (Candidate("a", 0.1, ()), Candidate("b", 0.5, ()))
    found = decide(candidates, calibration, {})
    assert (found.decision, found.subject, found.candidates) == ("uncertain", None, candidates)


def test_the_probability_is_learned_from_the_subjects_own_examples() -> None:
    random = np.random.default_rng(7)
    foreign, own = random.uniform(0.5, 1, 300), random.uniform(0, 0.6, 300)
    own[:100] = np.inf  # one example
    calibration = full_conformal(foreign, 0.1, mated=own)
    curve = calibration.probability
    assert curve is not None
    assert curve.trials == 500
    assert curve(np.array([0.1]))[0] > 0.8 > 0.2 > curve(np.array([0.9]))[0]
    assert full_conformal(foreign, 0.1, mated=np.full(300, np.inf)).probability is None
    assert split_conformal(foreign, 0.1).probability is None


@pytest.mark.parametrize("n", [3, 39, 148, 150, 997])
def test_the_rate_that_a_refusal_proposes_is_not_refused(n: int) -> None:
    for calibrate in (full_conformal, split_conformal):
        with pytest.raises(CalibrationError) as refused:
            calibrate(np.arange(float(n)), 1e-4)
        proposed = float(str(refused.value).split("a rate of ")[-1].split()[0])
        assert calibrate(np.arange(float(n)), proposed).fpir == proposed


def test_the_interval_with_exact_duplicates_is_that_of_the_scores_below_them() -> None:
    """Of 200 subjects 40 are enrolled twice: their scores are 0, and the rule for 5% accepts nothing above 0."""
    random = np.random.default_rng(0)
    scores = np.concatenate([np.zeros(40), random.uniform(1, 2, 160)])
    calibration = full_conformal(scores, 0.05)
    strangers = random.uniform(0, 3, 2000)  # none of them is a duplicate
    accepted = calibration.p_values(strangers[:, None], np.full((2000, 1), -1)) <= 0.05
    low, high = calibration.interval()
    assert low <= accepted.mean() <= high < 0.02
    assert full_conformal(random.uniform(1, 2, 200), 0.05).interval()[1] > 0.08
