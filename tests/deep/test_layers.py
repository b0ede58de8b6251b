"""Layers by depth: what is frozen stays as it was, statistics too; what lies deeper learns faster."""

from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from torch import nn

from semelha.deep.network import SMALL, EmbeddingNet, Network, build
from semelha.deep.objective import Supervised
from semelha.deep.optimizer import freeze, lr_scales, optimizer_for
from semelha.deep.recipe import Recipe
from semelha.errors import BackboneError, UsageError

BACKBONES = [SMALL, "resnet10t", "vit_tiny_patch16_224"]


def network(backbone: str) -> EmbeddingNet:
    return build(Network(backbone=backbone, channels=3, size=32, dim=8), seed=0)


def a_step(net: nn.Module, loss: nn.Module, recipe: Recipe) -> dict[str, torch.Tensor]:
    """How far each tensor of the state is moved by one step."""
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    optimizer = optimizer_for(net, Supervised(loss), recipe)
    for group in optimizer.param_groups:
        group["lr"] = group["lr_scale"]
    net(torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)).sum().backward()
    optimizer.step()
    return {name: (tensor - before[name]).float().abs().max() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("part", [0.5, 1.0])
def test_what_is_frozen_stays(backbone: str, part: float) -> None:
    net = network(backbone).train()
    freeze(net, part)
    net.train()
    moved = a_step(net, nn.Identity(), Recipe(freeze=part))
    still = {name for name, far in moved.items() if far == 0}
    frozen = {f"backbone.{name}" for name, weight in net.backbone.named_parameters() if not weight.requires_grad}
    assert frozen <= still
    if part == 1:
        assert all(name in still for name in moved if name.startswith("backbone."))
    else:
        learned = {name for name, _ in net.backbone.named_parameters()} - {name[9:] for name in frozen}
        assert 0 < len(learned) < len(list(net.backbone.parameters()))
        depth = net.backbone.depths()
        assert max(depth[name[9:]] for name in frozen) < min(depth[name] for name in learned)
    assert not any(name.startswith("head") and name in still for name, _ in net.named_parameters())


def test_statistics_of_frozen_layers_stay_and_others_move() -> None:
    net = network(SMALL)
    freeze(net, 0.5)
    net.train()
    moved = a_step(net, nn.Identity(), Recipe(freeze=0.5))
    assert moved["backbone.stem.1.running_mean"] == 0
    assert moved["backbone.blocks.3.first.1.running_mean"] > 0
    assert net.eval().train().backbone.stem[1].training is False


def test_nothing_is_frozen_where_nothing_is_asked() -> None:
    net = network(SMALL)
    freeze(net, 0)
    assert all(weight.requires_grad for weight in net.parameters())
    assert net.frozen == ()


@pytest.mark.parametrize("backbone", BACKBONES)
def test_paces_fall_by_depth(backbone: str) -> None:
    net = network(backbone)
    found = lr_scales(net, 0.5)
    assert found.keys() == dict(net.named_parameters()).keys()
    depth = net.backbone.depths()
    assert depth.keys() == dict(net.backbone.named_parameters()).keys()
    top = 1 + max(depth.values())
    for name, each in depth.items():
        assert found[f"backbone.{name}"] == 0.5 ** (top - each)
    assert found["head.1.weight"] == 1
    assert set(lr_scales(net, 1).values()) == {1.0}


def test_depths_are_those_of_timm() -> None:
    """Its own parameter groups have the same scales, but for one factor: it has no head of ours on top."""
    from timm.optim import param_groups_layer_decay

    backbone = network("vit_tiny_patch16_224").backbone
    top = 1 + max(backbone.depths().values())
    scale = {
        id(weight): group["lr_scale"]
        for group in param_groups_layer_decay(backbone.model, layer_decay=0.5)
        for weight in group["params"]
    }
    for name, weight in backbone.named_parameters():
        assert 0.5 ** (top - backbone.depths()[name]) == pytest.approx(scale[id(weight)] / 2)


def test_the_optimizer_has_the_paces() -> None:
    """A step of AdamW is as long as its rate: the stem moves 0.5⁵ as far as the head."""
    net = network(SMALL)
    recipe = Recipe(learning_rate=1e-3, weight_decay=0.0, layer_decay=0.5)
    moved = a_step(net, nn.Identity(), recipe)
    assert float(moved["head.1.weight"]) == pytest.approx(1e-3, rel=0.01)
    assert float(moved["backbone.blocks.3.second.0.weight"]) == pytest.approx(5e-4, rel=0.01)
    assert float(moved["backbone.stem.0.weight"]) == pytest.approx(1e-3 / 2**5, rel=0.01)
    groups = optimizer_for(
        net, Supervised(nn.Linear(2, 2)), replace(recipe, layer_decay=1.0, weight_decay=0.05)
    ).param_groups
    assert [group["lr_scale"] for group in groups] == [1e-3, 1e-3, 1e-2]


def test_a_backbone_whose_layers_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network("resnet10t")
    monkeypatch.delattr(timm.models.resnet.ResNet, "group_matcher")
    with pytest.raises(BackboneError, match="does not know the layers of ResNet"):
        freeze(net, 0.5)
    with pytest.raises(BackboneError, match="let all layers learn at one rate"):
        lr_scales(net, 0.75)
    freeze(net, 1)
    assert not any(weight.requires_grad for weight in net.backbone.parameters())


@pytest.mark.parametrize("wrong", [{"freeze": 1.5}, {"freeze": -0.1}, {"layer_decay": 0.0}, {"layer_decay": 1.1}])
def test_impossible_parts_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="layer_decay is greater than 0"):
        Recipe(**wrong)  # type: ignore[arg-type]


def test_each_channel_has_its_own_statistics() -> None:
    """By hand; and a card's list is the same network."""
    settings = Network(channels=3, size=32, dim=8, mean=(0.4, 0.5, 0.6), std=(0.1, 0.2, 0.3))
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    found = build(settings, seed=0).normalize(pixels).numpy()
    mean, std = (np.array(values).reshape(3, 1, 1) for values in ((0.4, 0.5, 0.6), (0.1, 0.2, 0.3)))
    np.testing.assert_allclose(found, (pixels.numpy() / 255 - mean) / std, atol=1e-5)
    assert Network(channels=3, mean=[0.4, 0.5, 0.6]).mean == (0.4, 0.5, 0.6)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="mean has 2 numbers"):
        Network(channels=3, mean=(0.4, 0.5))
    with pytest.raises(UsageError, match="std has 3 numbers"):
        Network(channels=1, std=(0.4, 0.5, 0.6))
