"""The optimizer of a training: what decays, and how fast each part learns."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from semelha.deep.layers import paces
from semelha.deep.objective import Objective
from semelha.deep.recipe import Recipe


def optimizer_for(network: nn.Module, objective: Objective, recipe: Recipe) -> Optimizer:
    """One that decays matrices and kernels only.

    The deeper a layer of the network, the faster it learns, where the recipe says so; what belongs to the objective
    learns at a pace of its own, and decays if it says so. Each group of parameters has the rate of its `pace`.
    """
    pace = paces(network, recipe.layer_decay)
    learned = [(weight, recipe.weight_decay, pace[name]) for name, weight in network.named_parameters()]
    of_objective = recipe.weight_decay if objective.decays else 0.0
    learned += [(weight, of_objective, objective.pace) for weight in objective.parameters()]
    alike: dict[tuple[float, float], list[Tensor]] = {}
    for weight, decay, own in learned:
        if weight.requires_grad:
            alike.setdefault((decay if weight.ndim > 1 else 0.0, own * recipe.learning_rate), []).append(weight)
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": decay, "pace": own} for (decay, own), weights in alike.items()
    ]
    return recipe.optimizer(groups, lr=recipe.learning_rate)
