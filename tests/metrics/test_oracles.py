"""The numbers: against SciPy, scikit-learn and plain loops, and against samples drawn from Gaussians."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.distance import cdist, jensenshannon, mahalanobis
from scipy.special import rel_entr
from scipy.stats import entropy, multivariate_normal
from sklearn.metrics.pairwise import additive_chi2_kernel
from tests.metrics.made import EVERY, HISTOGRAMS, THRESHOLDS, L, rows, with_zeros

from semelha.metrics import METRICS, Mahalanobis, Metric, bhattacharyya_coefficient, pack_gaussians, unpack_gaussians

Pair = Callable[[np.ndarray, np.ndarray], float]


def coefficient(p: np.ndarray, q: np.ndarray) -> float:
    return math.fsum(math.sqrt(a * b) for a, b in zip(p, q, strict=True))


OF_HISTOGRAMS: dict[str, Pair] = {
    "matusita": lambda p, q: math.sqrt(
        math.fsum((math.sqrt(a) - math.sqrt(b)) ** 2 for a, b in zip(p, q, strict=True))
    ),
    "squared-matusita": lambda p, q: 2 - 2 * coefficient(p, q),
    "hellinger": lambda p, q: float(np.linalg.norm(np.sqrt(p) - np.sqrt(q)) / np.sqrt(2)),
    "squared-hellinger": lambda p, q: 1 - coefficient(p, q),
    "bhattacharyya": lambda p, q: -math.log(coefficient(p, q)) if coefficient(p, q) else math.inf,
    "kullback-leibler": lambda p, q: float(entropy(p, q)),
    "reverse-kullback-leibler": lambda p, q: float(rel_entr(q, p).sum()),
    "jeffreys": lambda p, q: float(rel_entr(p, q).sum() + rel_entr(q, p).sum()),
    "jensen-shannon": lambda p, q: float(entropy((p + q) / 2) - entropy(p) / 2 - entropy(q) / 2),
    "jensen-shannon-distance": lambda p, q: float(jensenshannon(p, q)),
    "chi-square": lambda p, q: float(additive_chi2_kernel(p[None], q[None])[0, 0]) / -2,
}
OF_VECTORS: dict[str, Pair] = {
    "euclidean": lambda p, q: float(cdist(p[None], q[None])[0, 0]),
    "squared-euclidean": lambda p, q: float(cdist(p[None], q[None], "sqeuclidean")[0, 0]),
    "cosine": lambda p, q: float(cdist(p[None], q[None], "cosine")[0, 0]),
    "mahalanobis": lambda p, q: float(mahalanobis(p, q, L.T @ L)),
    "agreement": lambda p, q: math.fsum(w for f, t, w in THRESHOLDS if (p[f] <= t) != (q[f] <= t)),
}


def test_every_metric_has_an_oracle() -> None:
    gaussians = {name for name, kind in METRICS.items() if kind.domain == "gaussians"}
    assert set(METRICS) == {*OF_HISTOGRAMS, *OF_VECTORS, *gaussians}


@pytest.mark.parametrize("metric", [m for m in EVERY if m.domain != "gaussians"], ids=lambda metric: metric.name)
def test_agrees_with_its_oracle(metric: Metric) -> None:
    q, s = rows(metric, 9), rows(metric, 8, seed=1)
    oracle = {**OF_HISTOGRAMS, **OF_VECTORS}[metric.name]
    expected = [[oracle(a, b) for b in s] for a in q]
    np.testing.assert_allclose(metric.pairwise(q, s), expected, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(metric.between(q[:8], s), np.diag(np.array(expected)[:8]), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("metric", HISTOGRAMS, ids=lambda metric: metric.name)
def test_agrees_with_its_oracle_where_bins_are_empty(metric: Metric) -> None:
    q, s = with_zeros(20), with_zeros(20, seed=1)
    expected = [[OF_HISTOGRAMS[metric.name](a, b) for b in s] for a in q]
    # jensenshannon and a root of 2 − 2 BC are themselves right to 10⁻⁸ only near 0
    np.testing.assert_allclose(metric.pairwise(q, s), expected, rtol=1e-7, atol=1e-7)


def test_the_coefficient_is_a_similarity() -> None:
    q, s = with_zeros(9), with_zeros(8, seed=1)
    found = bhattacharyya_coefficient(q, s)
    np.testing.assert_allclose(found, [[coefficient(a, b) for b in s] for a in q], atol=1e-14)
    np.testing.assert_allclose(np.diag(bhattacharyya_coefficient(q, q)), 1)


@pytest.mark.parametrize("metric", [m for m in EVERY if m.domain == "gaussians"], ids=lambda metric: metric.name)
@pytest.mark.parametrize("seed", [0, 1])
def test_agrees_with_monte_carlo(metric: Metric, seed: int) -> None:
    """Means of ln q − ln s, and of √(s / q), over 400,000 draws from q: within 5 standard errors of the closed form."""
    q, s = rows(metric, 2, seed=2 * seed)
    (mean, other), (covariance, its) = unpack_gaussians(np.stack([q, s]))
    draws = np.random.default_rng(0).multivariate_normal(mean, covariance, 400_000)
    difference = multivariate_normal(mean, covariance).logpdf(draws) - multivariate_normal(other, its).logpdf(draws)
    samples = difference if metric.name == "gaussian-kullback-leibler" else np.exp(-difference / 2)
    estimate, error = samples.mean(), samples.std() / math.sqrt(len(samples))
    assert error < 0.01 * estimate  # else the test would say little
    value = float(metric.pairwise(q[None], s[None])[0, 0])
    value = {"gaussian-bhattacharyya": math.exp(-value), "gaussian-matusita": 1 - value**2 / 2}.get(metric.name, value)
    assert abs(value - estimate) < 5 * error


def test_one_covariance_is_mahalanobis() -> None:
    """As the docstring says: an eighth of the square."""
    random = np.random.default_rng(0)
    means, factor = random.normal(size=(6, 3)), random.normal(size=(3, 3))
    covariance = factor @ factor.T + np.eye(3)
    x = pack_gaussians(means, np.broadcast_to(covariance, (6, 3, 3)))
    expected = Mahalanobis(M=np.linalg.inv(covariance)).pairwise(means, means) ** 2 / 8
    np.testing.assert_allclose(METRICS["gaussian-bhattacharyya"]().pairwise(x, x), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["jensen-shannon", "chi-square"])
def test_the_bounds_of_the_search_hold(name: str) -> None:
    """Bin by bin, over the ratios that there are: c ≤ d / (√p − √q)² ≤ C, and C / c is the stretch."""
    ratio = np.concatenate([[0], np.geomspace(1e-12, 1 - 1e-3, 2000)])
    p, q = np.ones_like(ratio), ratio
    terms = {
        "jensen-shannon": (rel_entr(p, (p + q) / 2) + rel_entr(q, (p + q) / 2)) / 2,
        "chi-square": (p - q) ** 2 / (p + q) / 2,
    }[name]
    found = terms / (np.sqrt(p) - np.sqrt(q)) ** 2
    stretch = METRICS[name].stretch  # type: ignore[attr-defined]
    assert found.max() / found.min() <= stretch * (1 + 1e-9)
    assert found.max() / found.min() > 0.999 * stretch
