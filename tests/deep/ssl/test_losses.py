"""The losses of SimCLR and MoCo: value and gradient are lightly's where it has them, and a plain loop's for MoCo v3."""

import pytest
import torch
from lightly.loss import NTXentLoss
from torch import Tensor

from semelha.deep.losses import NTXent
from semelha.deep.ssl.moco import KeyQueue, moco_loss, moco_v3_loss


def vectors(rows: int, seed: int, width: int = 7) -> Tensor:
    """Not of length 1."""
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(rows, width, generator=generator, dtype=torch.float64)


def gradients(value: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(value, inputs)


@pytest.mark.parametrize("temperature", [0.07, 0.5, 1.0])
def test_nt_xent_of_two_views_is_lightlys(temperature: float) -> None:
    a, b = vectors(12, 1).requires_grad_(), vectors(12, 2).requires_grad_()
    ours = NTXent(temperature=temperature)(torch.cat([a, b]), torch.arange(12).repeat(2))
    theirs = NTXentLoss(temperature=temperature)(a, b)
    torch.testing.assert_close(ours, theirs, atol=1e-8, rtol=0)
    for own, their in zip(gradients(ours, a, b), gradients(theirs, a, b), strict=True):
        torch.testing.assert_close(own, their, atol=1e-8, rtol=0)


@pytest.mark.parametrize("temperature", [0.07, 0.2])
def test_against_a_queue_is_lightlys_with_a_memory_bank(temperature: float) -> None:
    """Over several batches, until both hold the same keys."""
    theirs = NTXentLoss(temperature=temperature, memory_bank_size=(36, 7)).double()
    queue = KeyQueue(36, 7, batch=12).double()
    for step in range(5):
        q, k = vectors(12, step).requires_grad_(), vectors(12, 90 + step)
        expected = theirs(q, k)  # and k is in its bank
        if step >= 3:  # what both drew to begin with is out of both
            value = moco_loss(q, k, queue.keys(), temperature)
            torch.testing.assert_close(value, expected, atol=1e-8, rtol=0)
            torch.testing.assert_close(*gradients(value, q), *gradients(expected, q), atol=1e-8, rtol=0)
        queue.put(torch.nn.functional.normalize(k, dim=1))


def test_moco_v3_is_a_plain_loop() -> None:
    q, k = vectors(6, 1).requires_grad_(), vectors(6, 2)
    value = moco_v3_loss(q, k, 0.3)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(6):
        scores = [torch.dot(q[i], k[j]) / (q[i].norm() * k[j].norm()) / 0.3 for j in range(6)]
        total = total - (scores[i] - torch.log(sum(torch.exp(score) for score in scores)))
    expected = 2 * 0.3 * total / 6
    torch.testing.assert_close(value, expected, atol=1e-10, rtol=0)
    torch.testing.assert_close(*gradients(value, q), *gradients(expected, q), atol=1e-10, rtol=0)


def test_a_key_that_is_like_no_other_costs_little() -> None:
    q = torch.eye(4)
    assert moco_loss(q, q, -q, 0.1) < 1e-3
    assert moco_loss(q, -q, q, 0.1) > 10
    assert moco_v3_loss(q, q, 0.1) < 1e-3
