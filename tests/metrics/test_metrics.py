"""Metrics: against SciPy, in NumPy and torch alike, gradients also at zero."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from semelha.errors import ModelError
from semelha.metrics import Cosine, Euclidean, Metric, metric_from_card

METRICS = [Euclidean(), Cosine()]
random = np.random.default_rng(0)
Q, S = random.normal(size=(7, 5)), random.normal(size=(9, 5))


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
class TestEveryMetric:
    def test_agrees_with_scipy(self, metric: Metric) -> None:
        np.testing.assert_allclose(metric.pairwise(Q, S), cdist(Q, S, metric.name), atol=1e-12)

    def test_between_is_the_diagonal(self, metric: Metric) -> None:
        np.testing.assert_allclose(metric.between(Q, S[:7]), np.diag(metric.pairwise(Q, S[:7])), atol=1e-7)

    def test_is_link_of_the_product_of_the_maps(self, metric: Metric) -> None:
        a, b = metric.query_map(Q), metric.stored_map(S)
        product = a @ b.T if metric.product == "ip" else cdist(a, b, "sqeuclidean")
        np.testing.assert_allclose(metric.link(product), metric.pairwise(Q, S), atol=1e-12)

    def test_identity_and_symmetry(self, metric: Metric) -> None:
        np.testing.assert_allclose(metric.between(Q, Q), 0, atol=1e-12)
        np.testing.assert_allclose(metric.pairwise(Q, S), metric.pairwise(S, Q).T, atol=1e-12)

    def test_never_below_zero(self, metric: Metric) -> None:
        x = (Q * 1e-3 + 100).astype(np.float32)
        assert (metric.pairwise(x, x) >= 0).all()

    def test_comes_back_from_its_card(self, metric: Metric) -> None:
        assert type(metric_from_card({"name": metric.name, **metric.parameters()})) is type(metric)

    def test_torch_gives_the_same_numbers_and_gradients(self, metric: Metric) -> None:
        torch = pytest.importorskip("torch")
        q, s = torch.tensor(Q, requires_grad=True), torch.tensor(S, requires_grad=True)
        np.testing.assert_allclose(metric.pairwise(q, s).detach().numpy(), metric.pairwise(Q, S), atol=1e-12)
        assert torch.autograd.gradcheck(metric.pairwise, (q, s))

    def test_gradients_are_finite_at_zero(self, metric: Metric) -> None:
        torch = pytest.importorskip("torch")
        x = torch.zeros(3, 4, dtype=torch.float64, requires_grad=True)
        metric.pairwise(x, x).sum().backward()
        assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("spec", [{}, {"name": "nonsense"}, {"name": 3}, {"name": "cosine", "p": 2}])
def test_cards_that_are_wrong(spec: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        metric_from_card(spec)
