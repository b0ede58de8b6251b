"""Open-set identification: equal to trying every threshold in a plain loop."""

import numpy as np
import pytest

from semelha.measures import open_set


def by_hand(mated: np.ndarray, right: np.ndarray, strangers: np.ndarray, fpir: float) -> float:
    lowest = 1.0
    for threshold in [-np.inf, *mated, *strangers]:
        if np.mean(strangers <= threshold) <= fpir:
            lowest = min(lowest, 1 - float(np.mean((mated <= threshold) & right)))
    return lowest


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("digits", [9, 1])
def test_equal_to_trying_every_threshold(seed: int, digits: int) -> None:
    """Rounded to one digit, many distances tie."""
    random = np.random.default_rng(seed)
    mated, strangers = random.normal(0, 1, 80).round(digits), random.normal(1, 1, 120).round(digits)
    right = random.random(80) < 0.8
    found = open_set(mated, right, strangers, fpirs=(0.3, 0.1, 0.01))
    for rate, fnir in found.fnir_at_fpir.items():
        assert fnir == pytest.approx(by_hand(mated, right, strangers, rate), abs=1e-12)


def test_a_wrong_subject_is_a_miss_at_every_threshold() -> None:
    found = open_set(np.array([0.1, 0.2]), np.array([True, False]), np.full(10, 5.0), fpirs=(0.1,))
    assert found.fnir_at_fpir == {0.1: 0.5}
    assert found.fnir.min() == 0.5


def test_rates_below_the_resolution_of_the_probes_are_none() -> None:
    found = open_set(np.zeros(3), np.ones(3, bool), np.ones(50), fpirs=(0.1, 0.01))
    assert found.fnir_at_fpir == {0.1: 0.0, 0.01: None}


def test_rates_are_monotonic_in_the_threshold() -> None:
    random = np.random.default_rng(0)
    found = open_set(random.random(30), random.random(30) < 0.5, random.random(30))
    assert (np.diff(found.fpir) >= 0).all()
    assert (np.diff(found.fnir) <= 0).all()
    assert (found.fpir[0], found.fnir[0]) == (0, 1)
    assert (found.mated, found.non_mated) == (30, 30)


def test_without_probes() -> None:
    found = open_set(np.empty(0), np.empty(0, bool), np.empty(0), fpirs=(0.1,))
    assert found.fnir_at_fpir == {0.1: None}
