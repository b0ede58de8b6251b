"""Histograms from counts, and what a logarithm makes of empty bins."""

import numpy as np
import pytest

from semelha.errors import UsageError
from semelha.metrics import Jeffreys, KullbackLeibler, MappedMetric, ReverseKullbackLeibler, additive_smoothing

HALF = np.array([[0.5, 0.5, 0.0]])
FULL = np.array([[0.2, 0.3, 0.5]])


def test_smoothed_is_the_rule() -> None:
    counts = np.array([[0, 3, 1], [0, 0, 0]])
    np.testing.assert_allclose(
        additive_smoothing(counts, 0.5), [[0.5 / 5.5, 3.5 / 5.5, 1.5 / 5.5], [1 / 3, 1 / 3, 1 / 3]]
    )
    np.testing.assert_allclose(additive_smoothing(counts[:1], 0), [[0, 0.75, 0.25]])
    assert additive_smoothing(counts.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("counts", "alpha", "message"),
    [
        ([[1.0, -2.0]], 1, "-2 at column 1"),
        ([[1.0, 2.0], [np.nan, 2.0]], 1, "row 1 of the counts has nan"),
        ([[1.0, 2.0]], -1, "alpha"),
        ([[1.0, 2.0]], float("nan"), "alpha"),
        ([[1.0, 2.0], [0.0, 0.0]], 0, "row 1 of the counts has none"),
    ],
)
def test_counts_that_are_wrong(counts: list[list[float]], alpha: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        additive_smoothing(np.array(counts), alpha)


def test_zeros_under_a_logarithm_are_infinite_by_definition() -> None:
    assert KullbackLeibler().pairwise(FULL, HALF).item() == np.inf
    assert np.isfinite(KullbackLeibler().pairwise(HALF, FULL)).all()
    assert ReverseKullbackLeibler().pairwise(HALF, FULL).item() == np.inf
    assert Jeffreys().pairwise(HALF, FULL).item() == np.inf
    assert KullbackLeibler().between(HALF, HALF).item() == 0


@pytest.mark.parametrize("tiny", [5e-324, 1e-300])
def test_a_bin_that_is_all_but_empty_is_not_empty(tiny: float) -> None:
    almost = np.array([[1.0, tiny]])
    found = KullbackLeibler().pairwise(np.array([[0.5, 0.5]]), almost).item()
    assert found == pytest.approx(0.5 * np.log(0.5) + 0.5 * (np.log(0.5) - np.log(tiny)))
    assert KullbackLeibler().pairwise(almost, np.array([[1.0, 0.0]])).item() == np.inf


@pytest.mark.parametrize(
    ("metric", "q", "s"),
    [(KullbackLeibler(), FULL, HALF), (ReverseKullbackLeibler(), HALF, FULL), (Jeffreys(), HALF, FULL)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_maps_demand_bins_above_zero(metric: MappedMetric, q: np.ndarray, s: np.ndarray) -> None:
    with pytest.raises(UsageError, match=r"row 0 .* has 0 at column 2, under a logarithm.*additive_smoothing"):
        _ = metric.query_map(q), metric.stored_map(s)
    with pytest.raises(UsageError, match="additive_smoothing"):
        metric.nearest(q, s, 1)
