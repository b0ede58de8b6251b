"""The interval of the rate: the true rates of simulated galleries lie in it as often as it says."""

import numpy as np
import pytest
from scipy.stats import beta

from semelha.recognition import full_conformal, split_conformal
from semelha.recognition.calibration import design_effect, rate_interval


@pytest.mark.parametrize(("n", "fpir"), [(19, 0.1), (99, 0.1), (99, 0.05), (400, 0.01)])
def test_of_strangers_it_covers_the_true_rate(n: int, fpir: float) -> None:
    random = np.random.default_rng(0)
    low, high = split_conformal(np.arange(n) / n, fpir).interval()
    rates = np.empty(2000)
    for i in range(len(rates)):
        calibration = split_conformal(random.random(n), fpir)
        accepted = calibration.accepts(np.linspace(0, 1, 20_001))
        rates[i] = accepted.mean()
    assert 0.94 <= np.mean((low <= rates) & (rates <= high)) <= 0.99
    k = fpir * n
    assert high - low <= 1.05 * (beta.ppf(0.975, k + 1, n - k) - beta.ppf(0.025, k, n - k + 1))


@pytest.mark.parametrize("strangers", [None, 60])
def test_of_subjects_it_covers_the_rate_where_pairs_are_near_each_other(strangers: int | None) -> None:
    """Nearest neighbors are mutual as often as among points of a line, so that scores come in pairs."""
    random = np.random.default_rng(1)
    inside, fpir, effects = [], 0.1, []
    for _ in range(600):
        points = np.sort(random.random(60))
        apart = np.abs(points[:, None] - points)
        np.fill_diagonal(apart, np.inf)
        nearest = apart.argmin(axis=1)
        calibration = full_conformal(apart.min(axis=1), fpir, neighbors=nearest)
        probes = random.random(strangers or 4000)
        far = np.abs(probes[:, None] - points)
        rate = calibration.accepts(far.min(axis=1), far.argmin(axis=1)).mean()
        low, high = calibration.interval(strangers=strangers)
        inside.append(low <= rate <= high)
        effects.append(design_effect(calibration.scores, nearest, fpir))
    assert 0.9 <= np.mean(inside) <= 0.995
    assert 1.5 < np.mean(effects) <= 2


def test_pairs_by_a_plain_loop() -> None:
    scores = np.array([1.0, 1.0, 2.0, 3.0, 9.0, 4.0])
    neighbors = np.array([1, 0, 0, 5, -1, 3])
    low = [0, 1, 2, 3]  # the four lowest of a rate of 4/7
    paired = [neighbors[neighbors[i]] == i and scores[neighbors[i]] <= 3 for i in low]
    assert design_effect(scores, neighbors, 4 / 7) == 1 + sum(paired) / 4 == 1.5


def test_more_confidence_more_subjects_and_no_trials() -> None:
    assert rate_interval(0.1, 100, confidence=0.99)[1] > rate_interval(0.1, 100)[1] > rate_interval(0.1, 1000)[1]
    assert rate_interval(0.1, 100, trials=50)[1] > rate_interval(0.1, 100, trials=5000)[1] > rate_interval(0.1, 100)[1]
    assert rate_interval(0.01, 99)[0] == 0
