"""Sums, means and log-sums over the pairs under a mask. Where the mask is empty they are finite, with gradient 0."""

from __future__ import annotations

import torch
from torch import Tensor

LOW = -1e30
"""A score whose exponential is 0, and whose gradient is finite as that of −∞ is not."""


def sum_where(values: Tensor, mask: Tensor) -> Tensor:
    """Sum of the values under the mask, a scalar."""
    return torch.where(mask, values, 0.0).sum()


def mean_where(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the values under the mask, a scalar; 0 where there are none."""
    return sum_where(values, mask) / mask.sum().clamp(min=1)


def counts(mask: Tensor) -> Tensor:
    """How many are under the mask in each row: (n, m) bool → (n,) int64. Of all at once, torch would make a copy."""
    return torch.cat([rows.sum(dim=1) for rows in torch.split(mask, 64)])


def weighted(weights: Tensor, distance: Tensor) -> Tensor:
    """Σ w d, a scalar: what a sum of hinges is where their being active is known."""
    return torch.dot(weights.reshape(-1), distance.reshape(-1))


def slots(mask: Tensor) -> tuple[Tensor, Tensor]:
    """The columns of each row under the mask, side by side: (n, m) bool → (n, most) int64, and which are there, bool.

    `most` is the largest number in a row, but 1 at least. What is not there has the place 0.
    """
    row, column = mask.nonzero(as_tuple=True)
    count = torch.bincount(row, minlength=len(mask))  # (n,)
    most = max(1, int(count.max())) if len(mask) else 1
    slot = torch.arange(len(row), device=mask.device) - (count.cumsum(0) - count)[row]
    places = torch.zeros(len(mask), most, dtype=torch.int64, device=mask.device)
    places[row, slot] = column
    return places, torch.arange(most, device=mask.device) < count[:, None]


def few(distance: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The distances of each row under the mask, side by side, and which are there, bool: (n, m) → (n, most) both.

    For a mask that has few in each row, as that of the positives.
    """
    places, there = slots(mask)
    return distance.gather(1, places), there
