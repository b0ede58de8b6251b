"""Who is whose positive in a batch."""

from __future__ import annotations

import torch
from torch import Tensor


def positives_and_negatives(labels: Tensor) -> tuple[Tensor, Tensor]:
    """(batch, batch) bool: pairs of one class without the diagonal, and pairs of two classes."""
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same & ~itself, ~same


def mean_where(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the values under the mask; 0, with a gradient of 0, where there are none."""
    return torch.where(mask, values, 0.0).sum() / mask.sum().clamp(min=1)
