"""Before a training it is measured how many pictures a second this machine learns from."""

import copy

import pytest
import torch
from lightning.fabric import Fabric

from semelha.deep import Network, build, throughput
from semelha.deep.optimizer import freeze
from semelha.deep.throughput import FROZEN, describe_rate, least_frozen, measure_throughput

SHAPE = (3, 64, 64)


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def test_nothing_changes_in_the_network(fabric: Fabric) -> None:
    network = build(Network(backbone="test_resnet", channels=3, size=64, dim=8), seed=0)
    before = copy.deepcopy(network.state_dict())
    learning, embedding = measure_throughput(network, SHAPE, fabric)
    assert embedding > learning > 0
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_network_that_is_frozen_wholly_can_be_measured(fabric: Fabric) -> None:
    network = build(Network(backbone="test_resnet", channels=3, size=64, dim=None), seed=0)
    freeze(network, 1)
    assert min(measure_throughput(network, SHAPE, fabric)) > 0


def test_as_little_is_frozen_as_the_time_allows(fabric: Fabric, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build(Network(backbone="test_resnet", channels=3, size=64, dim=8), seed=0)
    assert least_frozen(network, SHAPE, pictures=10, seconds=1e6, fabric=fabric)[0] == FROZEN[0]
    part, rate = least_frozen(network, SHAPE, pictures=10**9, seconds=1.0, fabric=fabric)
    assert part is None
    assert rate > 0
    assert all(weight.requires_grad for weight in network.backbone.parameters())
    rates = iter([(5.0, 0.0), (20.0, 0.0)])
    monkeypatch.setattr(throughput, "measure_throughput", lambda *_: next(rates))
    assert least_frozen(network, SHAPE, pictures=100, seconds=60.0, fabric=fabric) == (FROZEN[1], 20.0)


def test_the_rate_is_described_in_passes() -> None:
    assert describe_rate(25, 1000, 180) == (
        "this machine learns from 25 pictures a second, which is 4.5 passes over the pictures in 3.0 minutes"
    )
