"""Blocks that are computed again have the gradients, draws and statistics of blocks that are kept, in less memory."""

import copy

import pytest
import torch
from torch import Tensor, nn

from semelha.deep.gradcache import GradCache, enable_gradient_checkpointing, preserve_running_stats
from semelha.deep.losses import SupCon
from semelha.deep.network import Network, build
from semelha.errors import UsageError

LABELS = torch.arange(12) % 4


def pixels(size: int) -> Tensor:
    return 255 * torch.rand(12, 1, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("chunk", [100, 6])
@pytest.mark.parametrize("backbone", ["small", "medium", "resnet10t", "test_vit"])
def test_gradients_and_statistics_are_equal(backbone: str, chunk: int) -> None:
    """Of our network and of timm's, with and without chunks; dropout is drawn once."""
    size = 32 if backbone in ("small", "medium") else 64
    network = Network(backbone=backbone, size=size, dim=8)
    net: nn.Module = nn.Sequential(build(network, seed=0), nn.Dropout(0.3))
    again = copy.deepcopy(net)
    enable_gradient_checkpointing(again)
    found = []
    for each, backward in ((net, Tensor.backward), (again, preserve_running_stats(again, Tensor.backward))):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            found.append(GradCache(chunk).backward(each, pixels(size), LABELS, SupCon(), backward))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-6)
    for (name, kept), other in zip(net.named_parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(kept.grad, other.grad, rtol=1e-4, atol=1e-6, msg=name)
    for (name, buffer), same in zip(net.named_buffers(), again.buffers(), strict=True):
        torch.testing.assert_close(buffer, same, msg=name)


@pytest.mark.parametrize("backbone", ["small", "resnet10t"])
def test_less_is_kept_for_the_gradient(backbone: str) -> None:
    net = build(Network(backbone=backbone, size=64, dim=8), seed=0)
    kept = {}
    for name in ("all", "blocks"):
        total = 0

        def count(tensor: Tensor) -> Tensor:
            nonlocal total
            total += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            net(pixels(64))
        kept[name] = total
        enable_gradient_checkpointing(net)
    assert kept["blocks"] < kept["all"] / 2


def test_a_network_without_blocks_is_refused() -> None:
    with pytest.raises(UsageError, match="DLA does not support gradient checkpointing"):
        enable_gradient_checkpointing(build(Network(backbone="dla46_c", size=64, dim=8), seed=0))
    with pytest.raises(UsageError, match="does not support gradient checkpointing"):
        enable_gradient_checkpointing(nn.Linear(2, 2))
