"""The search by products loses nothing to rounding, and needs little memory."""

import tracemalloc

import numpy as np
import pytest

from semelha.metrics import ChiSquare, Cosine, Euclidean, JensenShannon, KullbackLeibler, Mahalanobis, Matusita, Metric

random = np.random.default_rng(0)


def sorted_plainly(metric: Metric, q: np.ndarray, s: np.ndarray, k: int) -> np.ndarray:
    distances = np.stack([metric.between(np.repeat(row[None], len(s), axis=0), s) for row in q])
    return np.argsort(distances, axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("metric", [Euclidean(), Cosine(), Mahalanobis(L=random.normal(size=(4, 8)))], ids=repr)
@pytest.mark.parametrize(("offset", "spread"), [(0, 1), (1e6, 1), (1e6, 1e-3), (0, 1e-30), (0, 1e20)])
def test_vectors_far_from_the_origin(metric: Metric, offset: float, spread: float) -> None:
    """Differences that are lost in float32, where every product is the same."""
    s, q = offset + spread * random.normal(size=(2500, 8)), offset + spread * random.normal(size=(5, 8))
    np.testing.assert_array_equal(metric.nearest(q, s, 5).positions, sorted_plainly(metric, q, s, 5))


@pytest.mark.parametrize("metric", [Euclidean(), Cosine(), KullbackLeibler(), Matusita(), JensenShannon()], ids=repr)
def test_crowds_that_float32_cannot_tell_apart(metric: Metric) -> None:
    """Around each of a few places, whose spread keeps centering and scaling from helping."""
    places = random.dirichlet(np.ones(8), 20)
    s = np.repeat(places, 200, axis=0) * (1 + 1e-5 * random.random((4000, 8)))
    s = random.permutation(s / s.sum(axis=1, keepdims=True))
    np.testing.assert_array_equal(metric.nearest(s[:6], s, 9).positions, sorted_plainly(metric, s[:6], s, 9))


def test_queries_far_from_everything() -> None:
    s, q = random.normal(size=(3000, 4)), 1e9 * random.normal(size=(4, 4))
    np.testing.assert_array_equal(Euclidean().nearest(q, s, 3).positions, sorted_plainly(Euclidean(), q, s, 3))


@pytest.mark.parametrize("metric", [JensenShannon(), ChiSquare(), Matusita(), KullbackLeibler()], ids=repr)
def test_histograms_that_crowd_together(metric: Metric) -> None:
    """Clusters of near-equal histograms, where a bound leaves few over, and none of them wrongly out."""
    centers = random.dirichlet(np.ones(16), 60)
    s = np.concatenate([random.dirichlet(2000 * center + 0.01, 60) for center in centers]) + 1e-9
    s /= s.sum(axis=1, keepdims=True)
    q = s[::700] * 0.999 + 0.001 / 16
    np.testing.assert_array_equal(metric.nearest(q, s, 20).positions, sorted_plainly(metric, q, s, 20))


def test_the_bound_spares_most_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    centers = random.dirichlet(np.ones(16), 100)
    s = np.concatenate([random.dirichlet(2000 * center + 0.01, 30) for center in centers])
    computed = []
    plain = JensenShannon.between_unchecked
    monkeypatch.setattr(
        JensenShannon, "between_unchecked", lambda self, q, s: computed.append(len(q)) or plain(self, q, s)
    )
    JensenShannon().nearest(s[:10], s, 5)
    assert sum(computed) < 0.1 * 10 * len(s)


def test_memory_is_of_blocks() -> None:
    """2,000 × 20,000 distances would be 320 MB."""
    q, s = random.random((2000, 8)), random.random((20_000, 8))
    tracemalloc.start()
    Euclidean().nearest(q, s, 5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6


def test_many_dimensions() -> None:
    """More than there are rows."""
    s = random.random((40, 35_000))
    q = s[7:9] + 1e-3
    assert Euclidean().nearest(q, s, 1).positions[:, 0].tolist() == [7, 8]
    histograms = s / s.sum(axis=1, keepdims=True)
    assert KullbackLeibler().nearest(histograms[3:5], histograms, 1).positions[:, 0].tolist() == [3, 4]
