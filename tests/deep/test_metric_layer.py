"""The last layer maps to where the plain product is the metric, and what the metric is made of is learned."""

import copy
import io

import numpy as np
import pytest
import torch
from tests.metrics.made import EVERY, rows

from semelha.deep.losses import Contrastive, CrossBatchMemory, CrossEntropy, ProxyNCA, SupCon, Triplet, WeightedSum
from semelha.deep.metric_layer import MetricLayer, metric_of
from semelha.errors import UsageError
from semelha.metrics import Cosine, Euclidean, KullbackLeibler, Mahalanobis, MappedMetric, Matusita, Metric

every_metric = pytest.mark.parametrize("metric", EVERY, ids=lambda metric: metric.name)


@every_metric
def test_the_products_of_the_outputs_are_the_metric(metric: Metric) -> None:
    """Or, without maps, the layer hands on its input."""
    layer = MetricLayer(metric).double()
    q, s = torch.tensor(rows(metric, 4)), torch.tensor(rows(metric, 3, seed=1))
    a, b = layer(q), layer.stored(s)
    expected = torch.tensor(metric.pairwise(q.numpy(), s.numpy()))
    torch.testing.assert_close(layer.distances(q, s), expected)
    if isinstance(metric, MappedMetric):
        product = a @ b.T if metric.product == "ip" else (a[:, None] - b[None]).square().sum(dim=2)
        torch.testing.assert_close(metric.link(product), expected)
    else:
        assert a is q
        assert b is s


@every_metric
def test_gradient_is_the_derivative(metric: Metric) -> None:
    layer = MetricLayer(metric).double()
    x = torch.tensor(rows(metric, 3), requires_grad=True)
    y = torch.tensor(rows(metric, 2, seed=1), requires_grad=True)
    parameters = tuple(layer.parameters())
    assert len(parameters) == len(metric.arrays())
    assert torch.autograd.gradcheck(
        lambda q, s, *_: (layer(q), layer.stored(s), layer.distances(q, s)), (x, y, *parameters)
    )


def test_a_step_changes_l_and_pulls_together() -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 4)
    layer = MetricLayer(Mahalanobis(M=np.eye(4)))
    assert layer.L.dtype == torch.float32
    before, optimizer = layer.L.detach().clone(), torch.optim.SGD(layer.parameters(), lr=0.01)
    losses = []
    for _ in range(3):
        loss = layer.distances(x[:3], x[3:]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]
    assert not torch.equal(layer.L, before)
    found = layer.found
    np.testing.assert_array_equal(found.arrays()["L"], layer.L.detach().numpy())
    np.testing.assert_allclose(found.pairwise(x.numpy(), x.numpy()), layer.distances(x, x).detach(), atol=2e-3)


def test_the_metric_that_was_given_is_left_alone() -> None:
    L = torch.eye(3, dtype=torch.float64)
    metric = Mahalanobis(L=L)
    layer = MetricLayer(metric)
    with torch.no_grad():
        layer.L.mul_(2)
    assert torch.equal(L, torch.eye(3, dtype=torch.float64))
    assert metric.L is L
    twin = copy.deepcopy(layer)
    assert twin.L is not layer.L
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    twin.load_state_dict(torch.load(file, weights_only=True))
    assert list(twin.state_dict()) == ["L"]


def test_cosine_gives_unit_vectors() -> None:
    x = torch.randn(8, 5, dtype=torch.float64)
    torch.testing.assert_close(MetricLayer(Cosine())(x), torch.nn.functional.normalize(x))


@pytest.mark.parametrize("metric", [Cosine(), Matusita(), Mahalanobis(L=np.eye(5))], ids=lambda metric: metric.name)
def test_is_safe_for_zeros(metric: Metric) -> None:
    x = torch.zeros(2, 5, requires_grad=True)
    value = MetricLayer(metric)(x)
    value.sum().backward()
    assert (value == 0).all()
    assert torch.isfinite(x.grad).all()


def test_euclidean_leaves_vectors_alone() -> None:
    x = torch.randn(8, 5)
    assert torch.equal(MetricLayer(Euclidean())(x), x)


@pytest.mark.parametrize("metric", [Cosine(), Matusita(), Mahalanobis(L=np.eye(5))], ids=lambda metric: metric.name)
def test_can_be_exported(metric: Metric) -> None:
    """No map without a logarithm looks at its values."""
    x = torch.rand(3, 5)
    layer = MetricLayer(metric)
    torch.testing.assert_close(torch.export.export(layer, (x,)).module()(x), layer(x))


def test_the_metric_of_a_loss_is_the_one_that_matters() -> None:
    """On the sphere all rank as the cosine does; a learned one and one of histograms do not."""
    assert metric_of(CrossEntropy(3, 5)).name == "cosine"
    assert metric_of(WeightedSum(Contrastive(), SupCon(), ProxyNCA(3, 5))).name == "cosine"
    assert metric_of(WeightedSum(SupCon(), Triplet(metric=Matusita()))).name == "matusita"
    found = metric_of(CrossBatchMemory(Triplet(metric=MetricLayer(Mahalanobis(L=np.eye(5)))), 5, size=9))
    assert found.name == "mahalanobis"
    assert isinstance(found.arrays()["L"], np.ndarray)


def test_a_loss_of_two_metrics_is_refused() -> None:
    learned = [MetricLayer(Mahalanobis(L=np.eye(5))) for _ in range(2)]
    assert metric_of(WeightedSum(*(Triplet(metric=learned[0]) for _ in range(2)))).name == "mahalanobis"
    for one, other in ((Matusita(), KullbackLeibler()), learned):
        with pytest.raises(UsageError, match="a model has one metric, and its loss has"):
            metric_of(WeightedSum(Triplet(metric=one), Triplet(metric=other)))


def test_what_the_metric_cannot_take_is_an_error() -> None:
    with pytest.raises(UsageError, match="sums to"):
        MetricLayer(Matusita()).distances(torch.ones(2, 5), torch.ones(2, 5))
