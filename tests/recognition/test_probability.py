"""The probability that an answer is right: true, falling, and shifted by the share of strangers."""

import numpy as np
import pytest
from scipy.optimize import isotonic_regression, minimize
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from semelha.errors import UsageError
from semelha.recognition.probability import (
    MIN_ISOTONIC,
    ProbabilityCurve,
    decreasing_fit,
    fit_probability,
    logistic_fit,
)


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of mated probes and whether they are right; scores of strangers."""
    random = np.random.default_rng(seed)
    mated = random.normal(0.4, 0.15, count)
    return mated, random.random(count) < 0.95 - 0.3 * mated, random.normal(0.8, 0.15, count)


def curve(count: int, seed: int = 0) -> ProbabilityCurve:
    found = fit_probability(*drawn(count, seed))
    assert found is not None
    return found


@pytest.mark.parametrize(("count", "method"), [(100, "Platt"), (5000, "isotonic")])
def test_it_says_what_part_is_right(count: int, method: str) -> None:
    """Expected calibration error over ten bins of equal width, on 40,000 probes that it was not learned from."""
    found = curve(count)
    assert found.method == method
    mated, right, strangers = drawn(20_000, 1)
    said = found(np.concatenate([mated, strangers]))
    true = np.concatenate([right, np.zeros(20_000)])
    bins = np.minimum((10 * said).astype(int), 9)
    error = sum(abs((said - true)[bins == one].sum()) for one in range(10)) / len(said)
    assert error < (0.1 if count < MIN_ISOTONIC else 0.02)


@pytest.mark.parametrize("count", [100, 5000])
def test_the_farther_the_less_probable(count: int) -> None:
    said = curve(count)(np.linspace(-1, 3, 500))
    assert (np.diff(said) <= 1e-12).all()
    assert ((said >= 0) & (said <= 1)).all()
    assert said[0] > 0.8
    assert said[-1] < 0.1


def test_more_strangers_make_every_answer_less_probable() -> None:
    found, scores = curve(5000), np.array([0.3, 0.5, 0.6])
    for few, many in [(0.1, 0.5), (0.5, 0.9)]:
        assert (found(scores, strangers=few) >= found(scores, strangers=many)).all()
    odds = found(scores) / (1 - found(scores))
    shifted = found(scores, strangers=0.8)
    np.testing.assert_allclose(shifted / (1 - shifted), odds * 0.2 / 0.8)


def test_both_methods_equal_scikit_learn() -> None:
    mated, right, strangers = drawn(2000, 2)
    scores = np.concatenate([mated, strangers])
    outcome = np.concatenate([right, np.zeros(2000)])
    expected = IsotonicRegression(increasing=False).fit(scores, outcome, np.full(4000, 1 / 4000)).predict(scores)
    np.testing.assert_allclose(curve(2000, 2)(scores), expected, atol=1e-9)
    few = np.concatenate([mated[:200], strangers[:200]])
    truth = np.concatenate([right[:200], np.zeros(200)])
    found = fit_probability(mated[:200], right[:200], strangers[:200])
    assert found is not None
    # Platt's targets as a weighted logistic regression: each trial counts as both outcomes.
    positive = truth.sum()
    target = np.where(truth > 0, (positive + 1) / (positive + 2), 1 / (400 - positive + 2))
    both = LogisticRegression(C=1e8, tol=1e-10).fit(
        np.concatenate([few, few])[:, None],
        np.concatenate([np.ones(400), np.zeros(400)]),
        np.concatenate([target, 1 - target]),
    )
    np.testing.assert_allclose(found(few), both.predict_proba(few[:, None])[:, 1], atol=2e-3)


def test_without_mated_probes_or_strangers_there_is_none() -> None:
    some = np.array([0.1, 0.2])
    assert fit_probability(np.empty(0), np.empty(0, bool), some) is None
    assert fit_probability(some, np.array([True, False]), np.array([np.inf])) is None


def test_trials_that_are_all_alike_give_a_flat_curve() -> None:
    found = fit_probability(np.full(5, 0.3), np.ones(5, bool), np.full(5, 0.3))
    assert found is not None
    assert found(np.array([0.3]))[0] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("strangers", [0, 1, -0.1, float("nan")])
def test_a_part_of_strangers_that_is_none_is_refused(strangers: float) -> None:
    with pytest.raises(UsageError, match="it must lie between 0 and 1"):
        curve(50, 2)(np.array([0.3]), strangers=strangers)


@pytest.mark.parametrize("values", [[1.0, 1, 0, 0], [0.0, 0, 1, 1], [1.0], "outcomes", "numbers"])
def test_the_decreasing_fit_equals_scipy(values: list[float] | str) -> None:
    random = np.random.default_rng(3)
    drawn_values = {"outcomes": (random.random(500) < 0.4).astype(float), "numbers": random.normal(size=500)}
    array = drawn_values[values] if isinstance(values, str) else np.array(values)
    weights = random.random(len(array)) + 0.1
    expected = isotonic_regression(array, weights=weights, increasing=False).x
    np.testing.assert_allclose(decreasing_fit(array, weights), expected, atol=1e-12)


@pytest.mark.parametrize("slope", [-30.0, -2.0, 0.0, 2.0])
def test_the_logistic_fit_equals_scipy(slope: float) -> None:
    """Also where the outcomes are separable, and where the constraint on the slope binds."""
    random = np.random.default_rng(4)
    x = random.normal(size=60)
    target = np.where(random.random(60) < 1 / (1 + np.exp(-slope * x)), 0.95, 0.05)
    weights = random.random(60)

    def loss(ab: np.ndarray) -> float:
        margin = ab[0] * x + ab[1]
        return float(np.sum(weights * (np.logaddexp(0, margin) - target * margin)))

    expected = minimize(loss, [-1.0, 0.0], method="L-BFGS-B", bounds=[(None, 0), (None, None)], tol=1e-14).x
    found = logistic_fit(x, target, weights)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert loss(np.array(found)) <= loss(expected) + 1e-12
