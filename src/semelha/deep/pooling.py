"""From a feature map to one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average(nn.Module):
    """Mean over the places: (batch, features, h, w) → (batch, features)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


class GeM(nn.Module):
    """Generalized mean, (mean xᵖ)^(1/p), with a learned p (Radenović et al., TPAMI 2019, equation 3).

    p = 1 is the mean of the positive part and p → ∞ its maximum. (batch, features, h, w) → (batch, features).
    """

    def __init__(self, p: float = 3.0, smallest: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(p))
        self.smallest = smallest

    def forward(self, x: Tensor) -> Tensor:
        powers = x.float().clamp(min=self.smallest) ** self.p
        return powers.mean(dim=(2, 3)) ** (1 / self.p)
