"""Frozen layers, the optimizer with the weight decay and learning rate of each layer, and gradient clipping."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from semelha.deep.fsdp import by_kind, total_norm
from semelha.deep.network import EmbeddingNet
from semelha.deep.objective import Objective
from semelha.deep.recipe import Recipe
from semelha.errors import TrainingError


def freeze(network: EmbeddingNet, part: float) -> None:
    """Freeze the first layers of the backbone, weights and running statistics: a fraction `part` of all layers.

    Raises `BackboneError` if timm does not know the layers of this backbone, and `part` is neither 0 nor 1.
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
    2020, section 3.1, as in BEiT and timm). Raises `BackboneError` if timm does not know the layers of this backbone,
    and `decay` is not 1.
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


def optimizer_for(network: nn.Module, objective: Objective, recipe: Recipe) -> Optimizer:
    """The optimizer, with weight decay for matrices and kernels only.

    The learning rate of a layer follows from `Recipe.layer_decay`, that of the objective from `Objective.lr_scale`.
    Each parameter group has its rate as `lr_scale`, which the schedule multiplies.
    """
    lr_scale = lr_scales(network, recipe.layer_decay)
    learned = [(weight, recipe.weight_decay, lr_scale[name], 0) for name, weight in network.named_parameters()]
    of_objective = recipe.weight_decay if objective.uses_weight_decay else 0.0
    learned += [(weight, of_objective, objective.lr_scale, 1) for weight in objective.parameters()]
    alike: dict[tuple[float, float, int], list[Tensor]] = {}
    for weight, decay, own, part in learned:  # the objective apart, because its weights are never sharded
        if weight.requires_grad:
            alike.setdefault((decay if weight.ndim > 1 else 0.0, own * recipe.learning_rate, part), []).append(weight)
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": decay, "lr_scale": own} for (decay, own, _), weights in alike.items()
    ]
    return recipe.optimizer(groups, lr=recipe.learning_rate)


def gradients(optimizer: Optimizer) -> list[Tensor]:
    """The gradients of all parameters."""
    return [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]


def clip(optimizer: Optimizer, most: float, step: int) -> None:
    """Scale all gradients to a norm of `most` if it is larger. Raises `TrainingError` if it is not finite."""
    found = gradients(optimizer)
    norm = total_norm(found)
    if not math.isfinite(norm):
        raise TrainingError(f"the gradient became {norm} at step {step + 1}: try a lower learning rate")
    if norm > most:
        for kind in by_kind(found):
            torch._foreach_mul_(kind, most / (norm + 1e-6))
