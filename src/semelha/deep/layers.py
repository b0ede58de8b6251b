"""Layers by their depth: those that stay as they are, and those that learn slowly."""

from __future__ import annotations

from torch import nn

from semelha.deep.network import EmbeddingNet


def freeze(network: EmbeddingNet, part: float) -> None:
    """Let the first part of the backbone's layers learn nothing, nor move its statistics.

    Parameters
    ----------
    network : EmbeddingNet
    part : float
        0 for nothing, 1 for the whole backbone; between, so many of its layers, from the stem on, rounded.

    Raises
    ------
    BackboneError
        Nobody knows the layers of this backbone, and neither 0 nor 1 is asked for.
    """
    backbone = network.backbone
    if part == 0:
        return
    depth = {name: 0 for name, _ in backbone.named_parameters()} if part == 1 else backbone.depths()
    count = round(part * (1 + max(depth.values())))
    for name, weight in backbone.named_parameters():
        weight.requires_grad_(depth[name] >= count)
    network.frozen = tuple(name for name, module in backbone.named_modules() if _learns_nothing(module))
    network.train(network.training)


def lr_scales(network: nn.Module, decay: float) -> dict[str, float]:
    """What part of the learning rate each weight has, by its name: decay to the power of its distance from the top.

    The last layer of the backbone has `decay` itself; what is not of a backbone, such as the head, has 1 (Clark et al.,
    ICLR 2020, section 3.1, as in BEiT and timm).

    Raises
    ------
    BackboneError
        Nobody knows the layers of this backbone, and decay is not 1.
    """
    found = {name: 1.0 for name, _ in network.named_parameters()}
    if decay == 1:
        return found
    for place, module in network.named_modules():
        if isinstance(module, EmbeddingNet):
            depth = module.backbone.depths()
            top = 1 + max(depth.values())
            where = f"{place}.backbone." if place else "backbone."
            found |= {where + name: decay ** (top - each) for name, each in depth.items()}
    return found


def _learns_nothing(module: nn.Module) -> bool:
    weights = list(module.parameters())
    return bool(weights) and not any(weight.requires_grad for weight in weights)
