"""The key network: a copy of the network that follows it slowly, and is never given a gradient."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from semelha.deep.ssl.projector import Continued


class KeyNetwork(nn.Module):
    """A moving average of the parameters of `follows` (He et al., CVPR 2020, equation 2).

    Running averages of batch norm are its own: in a training it normalizes by its batch.

    Parameters
    ----------
    follows : Continued
        Copied now.
    """

    def __init__(self, follows: Continued) -> None:
        super().__init__()
        self.copy = copy.deepcopy(follows).requires_grad_(False)

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.copy(pixels)
        return out

    @torch.no_grad()
    def follow(self, leader: nn.Module, momentum: float) -> None:
        """θ_k ← m · θ_k + (1 − m) · θ_q."""
        torch._foreach_lerp_(list(self.copy.parameters()), list(leader.parameters()), 1 - momentum)


def rising(momentum: float, done: float) -> float:
    """From `momentum` at the beginning to 1 at the end, by half a cosine (Grill et al., NeurIPS 2020, section 3.2)."""
    return 1 - (1 - momentum) * (math.cos(math.pi * done) + 1) / 2
