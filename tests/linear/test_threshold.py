"""The calibrated threshold on pairs: accuracy by brute force, and a promised rate that is kept."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.linear.made import clusters, every_pair

from semelha.errors import CalibrationError, UsageError, VectorsError
from semelha.linear import GMML, SignedRankSVM
from semelha.linear.base import _most_accurate

X, Y = clusters(n=120)
PAIRS, SAME = every_pair(Y[60:])
random = np.random.default_rng(0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=12))
def test_no_threshold_is_more_accurate(drawn: list[tuple[int, bool]]) -> None:
    """Ties included: equal distances fall on one side."""
    distances, same = np.array([d for d, _ in drawn], float), np.array([s for _, s in drawn])
    found = ((distances <= _most_accurate(distances, same)) == same).sum()
    assert found == max(((distances <= t) == same).sum() for t in (*distances, -1.0))


@pytest.mark.parametrize("kind", [GMML, SignedRankSVM])
def test_predicts_by_the_threshold(kind: Any) -> None:
    learner = kind().fit(X[:60], Y[:60])
    with pytest.raises(UsageError, match="calibrate_threshold"):
        learner.predict_pairs(X, [[0, 1]])
    assert learner.calibrate_threshold(X[60:], PAIRS, SAME) is learner
    found = learner.predict_pairs(X[60:], PAIRS)
    assert found.dtype == bool
    assert (found == SAME).mean() > 0.85
    np.testing.assert_array_equal(found, learner.pair_distance(X[60:], PAIRS) <= learner.threshold_)


@pytest.mark.parametrize("fpr", [0.05, 0.2])
def test_the_promised_rate_is_kept_on_average(fpr: float) -> None:
    """Over draws of independent pairs to calibrate on; and not by accepting far too few."""
    learner = GMML().fit(X, Y)
    rates = []
    for seed in range(150):
        x, y = clusters(seed + 1, n=200)
        rows = np.random.default_rng(seed).permutation(200).reshape(100, 2)
        same = y[rows[:, 0]] == y[rows[:, 1]]
        learner.calibrate_threshold(x, rows[:60], same[:60], fpr=fpr)
        rates.append(learner.predict_pairs(x, rows[60:][~same[60:]]).mean())
    error = np.std(rates) / np.sqrt(len(rates))
    assert fpr / 3 < np.mean(rates) < fpr + 3 * error


def test_a_rate_that_the_pairs_cannot_support_is_refused() -> None:
    learner = GMML().fit(X, Y)
    pairs = np.concatenate([PAIRS[SAME][:5], PAIRS[~SAME][:98]])
    same = np.arange(103) < 5
    with pytest.raises(CalibrationError, match=r"0\.01 needs 99 pairs of different classes, and there are 98"):
        learner.calibrate_threshold(X[60:], pairs, same, fpr=0.01)
    pairs, same = np.concatenate([pairs, PAIRS[~SAME][98:99]]), np.append(same, False)
    learner.calibrate_threshold(X[60:], pairs, same, fpr=0.01)
    assert not learner.predict_pairs(X[60:], pairs[~same]).any()
    for wrong in (0, 1, -0.1, np.nan):
        with pytest.raises(UsageError, match="must lie between 0 and 1"):
            learner.calibrate_threshold(X[60:], PAIRS, SAME, fpr=wrong)


def test_pairs_must_be_rows_and_of_both_kinds() -> None:
    learner = GMML().fit(X, Y)
    with pytest.raises(VectorsError, match="rows from"):
        learner.calibrate_threshold(X[60:], PAIRS + 60, SAME)
    with pytest.raises(VectorsError, match="of one kind"):
        learner.calibrate_threshold(X[60:], PAIRS[SAME], SAME[SAME])
