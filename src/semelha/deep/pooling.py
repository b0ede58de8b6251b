"""Pooling of a feature map to one vector."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Average(nn.Module):
    """Mean over all places: (batch, features, h, w) → (batch, features)."""

    vectors = 1

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


class GeM(nn.Module):
    """Generalized mean, (mean xᵖ)^(1/p), with a learned p (Radenović et al., TPAMI 2019, equation 3).

    p = 1 is the mean of the positive part and p → ∞ its maximum. (batch, features, h, w) → (batch, features).
    """

    vectors = 1

    def __init__(self, p: float = 3.0, smallest: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(p))
        self.smallest = smallest

    def forward(self, x: Tensor) -> Tensor:
        powers = x.float().clamp(min=self.smallest) ** self.p
        return powers.mean(dim=(2, 3)) ** (1 / self.p)


class Grid(nn.Module):
    """Mean over each of 3 × 3 regions, concatenated, which keeps the places of features.

    One level of a spatial pyramid (He et al., ECCV 2014); the number of regions does not depend on the map's size.
    (batch, features, h, w) → (batch, 9 · features).
    """

    side = 3
    vectors = side * side

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x, self.side).flatten(1)


POOLINGS: dict[str, type[Average | GeM | Grid]] = {"average": Average, "gem": GeM, "grid": Grid}
"""The poolings by name. `vectors`: number of feature vectors that are concatenated."""
