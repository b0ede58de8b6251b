"""A sum of losses: value, gradient, and what each of them learns."""

import pytest
import torch

from semelha.deep.losses import MarginSoftmax, NoMargin, SupCon, WeightedSum
from semelha.errors import UsageError


def test_is_the_sum_and_learns_what_its_parts_learn() -> None:
    torch.manual_seed(0)
    pairs, proxies = SupCon(temperature=0.1), MarginSoftmax(4, 6, margin=NoMargin()).double()
    both = WeightedSum(pairs, proxies)
    x, labels = torch.randn(12, 6, dtype=torch.float64, requires_grad=True), torch.arange(12) % 4
    torch.testing.assert_close(both(x, labels), pairs(x, labels) + proxies(x, labels))
    assert [id(p) for p in both.parameters()] == [id(p) for p in proxies.parameters()]
    both(x, labels).backward()
    assert proxies.proxies.grad is not None
    assert x.grad is not None


def test_needs_a_loss() -> None:
    with pytest.raises(UsageError, match="at least one loss"):
        WeightedSum()
