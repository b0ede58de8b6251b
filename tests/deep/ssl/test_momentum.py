"""The key network: follows by the rule of the papers, and no gradient ever reaches it."""

import pytest
import torch
from lightly.models.utils import update_momentum
from lightly.utils.scheduler import cosine_schedule
from torch import nn

from semelha.deep.ssl.moco import MomentumEncoder, cosine_momentum


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.999])
def test_it_follows_as_lightlys_does(momentum: float) -> None:
    with torch.random.fork_rng():
        leader, begun = network(0), network(1)
    keys = MomentumEncoder(begun)
    update_momentum(leader, begun, momentum)
    keys.update(leader, momentum)
    for ours, theirs in zip(keys.copy.parameters(), begun.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_it_begins_as_a_copy_of_its_own() -> None:
    with torch.random.fork_rng():
        leader = network(0)
    keys = MomentumEncoder(leader)
    with torch.no_grad():
        leader[0].weight.add_(1)
    assert not torch.equal(keys.copy[0].weight, leader[0].weight)
    assert not any(parameter.requires_grad for parameter in keys.parameters())


def test_no_gradient_leaves_it() -> None:
    with torch.random.fork_rng():
        keys = MomentumEncoder(network(0))
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert not keys(x).requires_grad


def test_the_schedule_rises_to_one_as_lightlys_does() -> None:
    assert (cosine_momentum(0.99, 0), cosine_momentum(0.99, 1)) == (pytest.approx(0.99), 1)
    for step in range(0, 101, 10):
        assert cosine_momentum(0.996, step / 100) == pytest.approx(cosine_schedule(step, 101, 0.996, 1.0), abs=1e-12)
