"""What the tests of value and gradient share: batches, and a comparison of two losses to 1e-8 in float64."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

CLASSES, DIM = 7, 5
Loss = Callable[[Tensor, Tensor], Tensor]

EVEN = torch.arange(28) % CLASSES
UNEVEN = torch.tensor([0] * 9 + [1] * 3 + [2, 3, 4, 4])  # among them classes of one picture
TWINS = torch.arange(CLASSES).repeat(2)


def embeddings(labels: Tensor, seed: int = 0) -> Tensor:
    """Of any length, their places drawn from the seed: (len(labels), DIM) float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(labels), DIM, dtype=torch.float64, generator=generator) * 3


def batches(*kinds: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Even classes, uneven ones, and pairs; or those that are named."""
    for seed, labels in enumerate(kinds or (EVEN, UNEVEN, TWINS)):
        yield embeddings(labels, seed), labels


def assert_equal(ours: Loss, theirs: Loss, *kinds: Tensor) -> None:
    """Value and gradient of both losses are the same on the batches of `batches`, and there is something to compare."""
    for x, labels in batches(*kinds):
        (value, gradient), (expected, expected_gradient) = (derived(loss, x, labels) for loss in (ours, theirs))
        assert value > 0
        assert gradient.abs().sum() > 0
        torch.testing.assert_close(value, expected, rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-8, atol=1e-8)


def derived(loss: Loss, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Value, and gradient with respect to the embeddings."""
    x = x.clone().requires_grad_()
    value = loss(x, labels)
    (gradient,) = torch.autograd.grad(value, x)
    return value.detach(), gradient
