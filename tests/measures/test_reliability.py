"""Reliability: equal to a plain loop and to scikit-learn; an interval that holds the true error."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from semelha.measures import reliability
from semelha.measures.bootstrap import resample_weights
from semelha.measures.reliability import BINS, ece_interval, resample_gaps


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, some on the edges of bins, outcomes that are somewhat rarer, and weights, some of them zero."""
    random = np.random.default_rng(seed)
    said = random.choice([random.random(count), random.integers(0, BINS + 1, count) / BINS, random.random(count)])
    said[:2] = 0, 1
    return said, random.random(count) < said**1.3, random.integers(0, 4, count).astype(float)


@pytest.mark.parametrize("seed", range(6))
def test_equal_to_a_plain_loop(seed: int) -> None:
    said, right, weights = drawn(300, seed)
    found = reliability(said, right, weights)
    sums: dict[int, list[float]] = {}
    brier = 0.0
    for p, y, w in zip(said.tolist(), right.tolist(), weights.tolist(), strict=True):
        bin_of = next(b for b in range(BINS) if p <= np.linspace(0, 1, BINS + 1)[b + 1])
        one = sums.setdefault(bin_of, [0.0, 0.0, 0.0])
        one[0] += w
        one[1] += w * p
        one[2] += w * y
        brier += w * (p - y) ** 2 / weights.sum()
    expected = [(p / w, y / w, w / weights.sum()) for _, (w, p, y) in sorted(sums.items()) if w]
    np.testing.assert_allclose(np.stack([found.predicted, found.observed, found.weight], axis=1), expected)
    assert found.ece == pytest.approx(sum(w * abs(p - y) for p, y, w in expected))
    assert found.brier == pytest.approx(brier)
    assert found.weight.sum() == pytest.approx(1)
    assert [tuple(row.values()) for row in found.to_json()] == [pytest.approx(row) for row in expected]


@pytest.mark.parametrize("bins", [5, 10, BINS])
def test_equal_to_scikit_learn(bins: int) -> None:
    said, right, weights = drawn(500, 0)
    alike, weighted = reliability(said, right, bins=bins), reliability(said, right, weights, bins=bins)
    expected = calibration_curve(right, said, n_bins=bins)
    np.testing.assert_allclose((alike.observed, alike.predicted), expected)
    assert alike.brier == pytest.approx(brier_score_loss(right, said))
    assert weighted.brier == pytest.approx(brier_score_loss(right, said, sample_weight=weights))


def test_weights_are_relative() -> None:
    said, right, weights = drawn(200, 1)
    one, other = reliability(said, right, weights), reliability(said, right, 1e-3 * weights)
    assert one.ece == pytest.approx(other.ece)
    assert one.brier == pytest.approx(other.brier)


def test_resampled_error_equals_that_of_repeated_probes() -> None:
    random = np.random.default_rng(0)
    said, right, _ = drawn(120, 3)
    subject = random.integers(0, 30, 120)
    subject[:30] = np.arange(30)
    weights = resample_weights(30, 50, random)
    errors = np.abs(resample_gaps(said, right, subject, weights)).sum(axis=1)
    expected = [reliability(said, right, row[subject]).ece for row in weights]
    np.testing.assert_allclose(errors, expected, rtol=1e-5)


@pytest.mark.parametrize("power", [1.0, 1.5])
def test_the_interval_covers_the_true_error(power: float) -> None:
    """Of 100 experiments, with probabilities that are right and others that are not; percentiles of draws hold none
    of the former."""
    random = np.random.default_rng(1)
    grid = (np.arange(150_000) + 0.5) / 150_000
    true = np.abs((grid**power - grid).reshape(BINS, -1).mean(axis=1)).sum() / BINS
    held = percentiles = 0
    for _ in range(100):
        said = random.random(300)
        right = random.random(300) < said**power
        subject, once = np.arange(300), np.ones((1, 300), np.float32)
        draws = resample_gaps(said, right, subject, resample_weights(300, 200, random))
        ends = ece_interval(draws, resample_gaps(said, right, subject, once)[0])
        assert ends is not None
        assert ends.low <= reliability(said, right).ece <= ends.high
        held += ends.low <= true + 1e-9 and true - 1e-9 <= ends.high
        low, high = np.quantile(np.abs(draws).sum(axis=1), [0.025, 0.975])
        percentiles += low <= true <= high
    assert held >= 93
    assert power > 1 or percentiles == 0


def test_no_interval_if_resamples_do_not_vary() -> None:
    assert ece_interval(np.zeros((100, BINS)), np.zeros(BINS)) is None


@pytest.mark.parametrize(
    ("said", "right", "weights", "bins", "why"),
    [
        ([0.5], [True, False], None, 15, "one outcome"),
        ([0.5], [True], [1.0, 1.0], 15, "one weight"),
        ([1.1], [True], None, 15, "between 0 and 1"),
        ([float("nan")], [True], None, 15, "between 0 and 1"),
        ([0.5], [True], [-1.0], 15, "negative"),
        ([0.5], [True], [0.0], 15, "some must be positive"),
        ([0.5], [True], [float("inf")], 15, "negative"),
        ([], [], None, 15, "some must be positive"),
        ([0.5], [True], None, 0, "must be 1 or more"),
    ],
)
def test_bad_probabilities_and_weights_are_refused(
    said: list[float], right: list[bool], weights: list[float] | None, bins: int, why: str
) -> None:
    given = None if weights is None else np.array(weights)
    with pytest.raises(ValueError, match=why):
        reliability(np.array(said), np.array(right, bool), given, bins=bins)
