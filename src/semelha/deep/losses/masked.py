"""Sums, means and columns under a boolean mask. Results are finite, with gradient 0, if the mask is empty."""

from __future__ import annotations

import torch
from torch import Tensor

LOW = -1e30
"""A score whose exponential is 0, with a finite gradient, which −∞ does not have."""


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the values under the mask, a scalar; 0 if there are none."""
    return torch.where(mask, values, 0.0).sum() / mask.sum().clamp(min=1)


def row_counts(mask: Tensor) -> Tensor:
    """Number of True in each row: (n, m) bool → (n,) int64. By blocks, because torch would copy the whole mask."""
    return torch.cat([rows.sum(dim=1) for rows in torch.split(mask, 64)])


def dot(weights: Tensor, distance: Tensor) -> Tensor:
    """Σ w d over all elements, a scalar: a sum of hinges, given how often each distance is in an active one."""
    return torch.dot(weights.reshape(-1), distance.reshape(-1))


def masked_columns(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Collect the columns of each row under the mask: (n, m) bool → columns (n, most) int64, filled (n, most) bool.

    `most` is the largest number in a row, at least 1. Columns that are not filled are 0.
    """
    row, column = mask.nonzero(as_tuple=True)
    count = torch.bincount(row, minlength=len(mask))  # (n,)
    most = max(1, int(count.max())) if len(mask) else 1
    slot = torch.arange(len(row), device=mask.device) - (count.cumsum(0) - count)[row]
    columns = torch.zeros(len(mask), most, dtype=torch.int64, device=mask.device)
    columns[row, slot] = column
    return columns, torch.arange(most, device=mask.device) < count[:, None]


def gather_masked(distance: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Collect the distances of each row under the mask: (n, m) → distances and filled, each (n, most).

    For a mask with few True in each row, such as that of the positives.
    """
    columns, filled = masked_columns(mask)
    return distance.gather(1, columns), filled
