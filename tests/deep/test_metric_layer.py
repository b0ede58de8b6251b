"""The last layer maps to where the plain product is the metric."""

import torch

from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Cosine, Euclidean


def test_cosine_gives_unit_vectors() -> None:
    x = torch.randn(8, 5, dtype=torch.float64)
    torch.testing.assert_close(MetricLayer(Cosine())(x), torch.nn.functional.normalize(x))


def test_cosine_is_safe_for_zeros() -> None:
    x = torch.zeros(2, 5, requires_grad=True)
    value = MetricLayer(Cosine())(x)
    value.sum().backward()
    assert (value == 0).all()
    assert torch.isfinite(x.grad).all()


def test_euclidean_leaves_vectors_alone() -> None:
    x = torch.randn(8, 5)
    assert torch.equal(MetricLayer(Euclidean())(x), x)


def test_gradient_is_the_derivative() -> None:
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(MetricLayer(Cosine()), x)
