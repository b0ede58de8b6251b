"""Rows that each metric takes, and every metric there is."""

import numpy as np

from semelha.metrics import METRICS, Agreement, Mahalanobis, Metric, pack_gaussians

DIM = 5
L = np.random.default_rng(7).normal(size=(4, DIM))
THRESHOLDS = [(0, 0.1, 0.5), (3, -0.6, 1.5), (3, 0.4, 0.2), (1, 0.3, 1.0)]  # of a feature, with a weight
MADE = {
    Mahalanobis: lambda: Mahalanobis(L=L),
    Agreement: lambda: Agreement(
        features=[feature for feature, _, _ in THRESHOLDS],
        thresholds=[threshold for _, threshold, _ in THRESHOLDS],
        weights=[weight for _, _, weight in THRESHOLDS],
    ),
}
EVERY: list[Metric] = [MADE.get(kind, kind)() for kind in METRICS.values()]
HISTOGRAMS = [metric for metric in EVERY if metric.domain == "histograms"]


def rows(metric: Metric, n: int, seed: int = 0) -> np.ndarray:
    """n rows of float64 that the metric takes; histograms with every bin above 0."""
    random = np.random.default_rng(seed)
    if metric.domain == "histograms":
        return random.dirichlet(np.ones(DIM), n)
    if metric.domain == "gaussians":
        factors = random.normal(size=(n, 3, 5))
        return pack_gaussians(random.normal(size=(n, 3)), factors @ factors.transpose(0, 2, 1) / 5 + np.eye(3) / 4)
    return random.normal(size=(n, DIM))


def with_zeros(n: int, seed: int = 0) -> np.ndarray:
    """n histograms, about half of whose bins are empty."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, 9, (n, DIM)) * (random.random((n, DIM)) < 0.5)
    counts[np.arange(n), random.integers(0, DIM, n)] += 1
    return counts / counts.sum(axis=1, keepdims=True)
