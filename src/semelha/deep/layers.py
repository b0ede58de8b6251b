"""Freezing layers, and layer-wise learning rates, by the depth of the layers."""

from __future__ import annotations

from torch import nn

from semelha.deep.network import EmbeddingNet


def freeze(network: EmbeddingNet, part: float) -> None:
    """Freeze the first layers of the backbone: their weights and their running statistics.

    Parameters
    ----------
    network : EmbeddingNet
    part : float
        Fraction of the layers to freeze, from the stem on: 0 for none, 1 for the whole backbone.

    Raises
    ------
    BackboneError
        timm does not know the layers of this backbone, and `part` is neither 0 nor 1.
    """
    backbone = network.backbone
    if part == 0:
        return
    depth = {name: 0 for name, _ in backbone.named_parameters()} if part == 1 else backbone.depths()
    count = round(part * (1 + max(depth.values())))
    for name, weight in backbone.named_parameters():
        weight.requires_grad_(depth[name] >= count)
    network.frozen = tuple(name for name, module in backbone.named_modules() if _is_frozen(module))
    network.train(network.training)


def lr_scales(network: nn.Module, decay: float) -> dict[str, float]:
    """Factor of the learning rate of each weight, by name: `decay` to the power of its distance from the top.

    The last layer of the backbone has `decay`; weights outside of it, such as the head, have 1 (Clark et al., ICLR
    2020, section 3.1, as in BEiT and timm).

    Raises
    ------
    BackboneError
        timm does not know the layers of this backbone, and `decay` is not 1.
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


def _is_frozen(module: nn.Module) -> bool:
    weights = list(module.parameters())
    return bool(weights) and not any(weight.requires_grad for weight in weights)
