"""The optimizer of a training: what decays, how fast each part learns, and how long a step may be."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from semelha.deep.layers import lr_scales
from semelha.deep.objective import Objective
from semelha.deep.recipe import Recipe
from semelha.errors import TrainingError


def optimizer_for(network: nn.Module, objective: Objective, recipe: Recipe) -> Optimizer:
    """One that decays matrices and kernels only.

    The deeper a layer of the network, the faster it learns, where the recipe says so; what belongs to the objective
    learns at a lr_scale of its own, and decays if it says so. Each group of parameters has the rate of its `lr_scale`.
    """
    lr_scale = lr_scales(network, recipe.layer_decay)
    learned = [(weight, recipe.weight_decay, lr_scale[name]) for name, weight in network.named_parameters()]
    of_objective = recipe.weight_decay if objective.uses_weight_decay else 0.0
    learned += [(weight, of_objective, objective.lr_scale) for weight in objective.parameters()]
    alike: dict[tuple[float, float], list[Tensor]] = {}
    for weight, decay, own in learned:
        if weight.requires_grad:
            alike.setdefault((decay if weight.ndim > 1 else 0.0, own * recipe.learning_rate), []).append(weight)
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": decay, "lr_scale": own} for (decay, own), weights in alike.items()
    ]
    return recipe.optimizer(groups, lr=recipe.learning_rate)


def gradients(optimizer: Optimizer) -> list[Tensor]:
    """Of all that it moves."""
    return [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]


def clip(optimizer: Optimizer, most: float, step: int) -> None:
    """Scale all gradients to a norm of `most` if it is larger. Raises `TrainingError` if it is not finite."""
    found = gradients(optimizer)
    norm = float(torch.nn.utils.get_total_norm(found))
    if not math.isfinite(norm):
        raise TrainingError(f"the gradient became {norm} at step {step + 1}: try a lower learning rate")
    if norm > most:
        torch._foreach_mul_(found, most / (norm + 1e-6))
