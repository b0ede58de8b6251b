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


def mean_of_active(values: Tensor) -> Tensor:
    """Mean of the values above 0, none being below, a scalar; 0 where all are 0."""
    return values.sum() / (values > 0).sum().clamp(min=1)


def log_sum_where(scores: Tensor, mask: Tensor, dim: int = 1) -> Tensor:
    """Log of the sum of the exponentials under the mask: (n, m) → (n,), about `LOW` where a row has none."""
    return torch.where(mask, scores, LOW).logsumexp(dim)
