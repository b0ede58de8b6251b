"""Embeddings on the unit sphere, in float32 or better whatever the network computes in."""

from __future__ import annotations

import torch
from torch import Tensor

from semelha.errors import UsageError
from semelha.metrics import Cosine, Metric


def at_least_float32(x: Tensor) -> Tensor:
    """`x` in float32, or as it is in float64: a loss of half precision loses small gradients."""
    return x if x.dtype == torch.float64 else x.float()


def unit(x: Tensor) -> Tensor:
    """Rows at length 1: (n, dim) → (n, dim). A row of zeros stays one, and its gradient is finite."""
    mapped: Tensor = Cosine().query_map(at_least_float32(x))
    return mapped


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Inner products of unit rows, in their own precision: (n, dim), (m, dim) → (n, m)."""
    with torch.autocast(a.device.type, enabled=False):
        return a @ b.T


def distances(embeddings: Tensor, metric: Metric) -> Tensor:
    """`metric` between all embeddings of a batch, put on the sphere: (batch, dim) → (batch, batch)."""
    if metric.domain != "vectors":
        raise UsageError(f"the loss compares vectors on the sphere, and the metric {metric.name} takes {metric.domain}")
    z = unit(embeddings)
    with torch.autocast(z.device.type, enabled=False):
        found: Tensor = metric.pairwise(z, z, check=False)  # NaN is for the training to notice
    return found
