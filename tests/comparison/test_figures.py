"""Intervals, paired tests and their correction."""

import numpy as np
import pytest

from semelha.comparison.figures import holm, mean_figure, paired_difference


def test_holm_corrects_as_published() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_an_interval_covers_as_often_as_it_says() -> None:
    """Classes differ, so pictures of one class are no independent trials."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(60).astype(str), 8)
    covered = 0
    for seed in range(100):
        rates = random.beta(4, 2, 60)
        figure = mean_figure((random.random(480) < np.repeat(rates, 8)).astype(float), labels, seed=seed)
        assert figure.low is not None
        assert figure.high is not None
        covered += figure.low <= 4 / 6 <= figure.high
    assert covered >= 88


def test_equal_methods_are_rarely_told_apart_and_different_ones_are() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(30).astype(str), 4)
    p = []
    for seed in range(60):
        one, other = (random.random(120) < 0.7).astype(float), (random.random(120) < 0.7).astype(float)
        p.append(paired_difference(one, other, labels, seed=seed).p)
    assert np.mean(np.array(p) < 0.05) < 0.15
    worse = paired_difference((random.random(120) < 0.4).astype(float), np.ones(120), labels, seed=0)
    assert worse.p < 0.001
    assert worse.high is not None
    assert worse.high < 0
