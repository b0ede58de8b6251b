"""Calibration: the formula, the guarantee on simulated galleries, and what is refused."""

import numpy as np
import pytest

from semelha.errors import CalibrationError, UsageError
from semelha.recognition import full_conformal, split_conformal
from semelha.recognition.calibrate import needed


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
    assert needed(fpir, smallest=2) == subjects
    assert needed(fpir, smallest=1) == strangers
    full_conformal(np.arange(subjects) / subjects, fpir)
    split_conformal(np.arange(strangers) / strangers, fpir)
    with pytest.raises(CalibrationError, match="enroll 1 more"):
        full_conformal(np.arange(subjects - 1) / subjects, fpir)
    with pytest.raises(CalibrationError, match="give pictures of 1 more"):
        split_conformal(np.arange(strangers - 1) / strangers, fpir)


def test_a_supported_rate_can_be_reached() -> None:
    """With just enough subjects, a probe nearer than anything is known."""
    calibration = full_conformal(np.ones(199), 0.01)
    assert calibration.accepts(np.array([0.5]), np.array([3])).all()


@pytest.mark.parametrize("fpir", [0, 1, -0.1, 2, float("nan")])
def test_rates_that_are_none(fpir: float) -> None:
    with pytest.raises(UsageError):
        full_conformal(np.ones(500), fpir)
