"""The optimizer: parameter groups with their weight decay and learning rate, and gradient clipping."""

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
    """The optimizer, with weight decay for matrices and kernels only.

    The learning rate of a layer follows from `Recipe.layer_decay`, that of the objective from `Objective.lr_scale`.
    Each parameter group has its rate as `lr_scale`, which the schedule multiplies.
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
    """The gradients of all parameters."""
    return [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]


def clip(optimizer: Optimizer, most: float, step: int) -> None:
    """Scale all gradients to a norm of `most` if it is larger. Raises `TrainingError` if it is not finite."""
    found = gradients(optimizer)
    norm = float(torch.nn.utils.get_total_norm(found))
    if not math.isfinite(norm):
        raise TrainingError(f"the gradient became {norm} at step {step + 1}: try a lower learning rate")
    if norm > most:
        torch._foreach_mul_(found, most / (norm + 1e-6))
