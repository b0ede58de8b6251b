"""Matrices that are made and differentiated by hand, some rows at a time: as autograd has them, in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from tests.metrics.made import DIM, EVERY, rows
from torch import Tensor

from semelha.deep.losses import blockwise
from semelha.deep.losses.blockwise import apply_by_rows, masked_logsumexp, masked_logsumexp_and_gather
from semelha.deep.losses.distances import LINKS, normalize, pairwise_distances, prepare_embeddings
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Mahalanobis, MappedMetric, Metric

COMPARABLE = [metric for metric in EVERY if metric.domain != "gaussians" and metric.name != "agreement"]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few rows, the last of them short."""
    monkeypatch.setattr(blockwise, "BLOCK_ROWS", 4)
    monkeypatch.setattr(blockwise, "CHUNK_ROWS", 4)


def gradients(value: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
    weights = torch.arange(1, value.numel() + 1, dtype=torch.float64).reshape(value.shape).cos()
    return torch.autograd.grad((value * weights).sum(), leaves)


@pytest.mark.parametrize("metric", COMPARABLE, ids=lambda metric: metric.name)
def test_distances_are_those_of_the_metric(metric: Metric) -> None:
    """Value and gradient, in the anchors and in the references; of more rows than a block has."""
    q = torch.tensor(rows(metric, 11), requires_grad=True)
    s = torch.tensor(rows(metric, 7, seed=1), requires_grad=True)
    found, expected = (
        pairwise_distances(q, s, metric),
        metric.pairwise(prepare_embeddings(q, metric), prepare_embeddings(s, metric)),
    )
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradients(found, q, s), gradients(expected, q, s), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("metric", COMPARABLE, ids=lambda metric: metric.name)
def test_distances_to_one_another_are_safe_at_zero(metric: Metric) -> None:
    """The diagonal, and copies: the root has no gradient there, and gives none."""
    x = torch.tensor(np.concatenate([rows(metric, 6), rows(metric, 3)]), requires_grad=True)
    found = pairwise_distances(x, x, metric)
    torch.testing.assert_close(found.diagonal(), torch.zeros(9, dtype=torch.float64), rtol=0, atol=1e-7)
    (gradient,) = torch.autograd.grad(found.sum(), x)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum() > 0


def test_every_known_link_is_compared() -> None:
    assert set(LINKS) <= {metric.link_type for metric in COMPARABLE if isinstance(metric, MappedMetric)}


def test_a_learned_metric_has_its_gradient() -> None:
    L = torch.tensor(np.random.default_rng(0).normal(size=(3, DIM)))
    layer = MetricLayer(Mahalanobis(L=L))
    x = torch.tensor(rows(COMPARABLE[0], 9), requires_grad=True)
    z = torch.nn.functional.normalize(x)
    expected = ((z[:, None] - z[None]) @ layer.L.T).square().sum(dim=2).clamp(min=1e-18).sqrt()
    apart = ~torch.eye(9, dtype=torch.bool)  # where this root has no slope
    found = pairwise_distances(x, x, layer)
    torch.testing.assert_close(found[apart], expected[apart])
    torch.testing.assert_close(gradients(found[apart], x, layer.L), gradients(expected[apart], x, layer.L))


def test_references_without_a_gradient_get_none() -> None:
    for metric in COMPARABLE:
        q = torch.tensor(rows(metric, 5), requires_grad=True)
        s = torch.tensor(rows(metric, 7, seed=1))
        pairwise_distances(q, s, metric).sum().backward()
        assert q.grad is not None
        assert s.grad is None


@pytest.mark.parametrize("scale", [1.0, -20.0])
def test_log_sums_are_those_of_a_loop(scale: float) -> None:
    """A row that has none under the mask has no gradient, whatever is asked of it."""
    x = torch.randn(11, 9, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(11, 9) < 0.4
    mask[3], mask[7] = False, True
    few = torch.rand(11, 9) < 0.2
    found, values, there = masked_logsumexp_and_gather(x, mask, scale, few)
    assert torch.equal(masked_logsumexp(x, mask, scale), found)
    some = mask.any(dim=1)
    expected = torch.stack([(scale * x[i][mask[i]]).logsumexp(0) for i in range(11) if some[i]])
    torch.testing.assert_close(found[some], expected)
    assert found[3] < -1e29
    assert torch.equal(values[there], x[few])
    assert torch.equal(there.sum(dim=1), few.sum(dim=1))
    ours = gradients(torch.cat([found[some], values[there]]), x)[0]
    torch.testing.assert_close(ours, gradients(torch.cat([expected, x[few]]), x)[0])
    assert (torch.autograd.grad(masked_logsumexp(x, mask, scale)[3], x)[0] == 0).all()


def test_a_function_of_rows_is_one_of_all_of_them() -> None:
    x = torch.randn(11, 9, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(11, 9) < 0.5

    def function(x: Tensor, mask: Tensor) -> Tensor:
        return torch.where(mask, x.exp(), 0.0).sum(dim=1)

    found, expected = apply_by_rows(function, x, mask), function(x, mask)
    assert torch.equal(found, expected)
    torch.testing.assert_close(gradients(found, x), gradients(expected, x))


@pytest.mark.parametrize("shape", [(6, 5), (3, 2, 5)])
def test_unit_rows_and_their_gradient(shape: tuple[int, ...]) -> None:
    x = 3 * torch.randn(shape, dtype=torch.float64, requires_grad=True)
    expected: Any = torch.nn.functional.normalize(x, dim=-1)
    torch.testing.assert_close(normalize(x), expected)
    torch.testing.assert_close(gradients(normalize(x), x), gradients(expected, x))
    assert torch.autograd.gradcheck(normalize, x)


def test_a_row_of_zeros_stays_one() -> None:
    x = torch.zeros(2, 5, requires_grad=True)
    normalize(x).sum().backward()
    assert (normalize(x) == 0).all()
    assert torch.equal(x.grad, torch.ones(2, 5))
