"""Embeddings where a metric takes them, in float32 or better whatever the network computes in."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from semelha.deep.losses.blocks import in_blocks
from semelha.deep.losses.linked import linked
from semelha.deep.metric_layer import MetricLayer
from semelha.errors import UsageError
from semelha.metrics import MappedMetric, Metric

NUMBERS = 1 << 22  # made at a time, by a metric that compares pair by pair


def at_least_float32(x: Tensor) -> Tensor:
    """`x` in float32, or as it is in float64: a loss of half precision loses small gradients."""
    return x if x.dtype == torch.float64 else x.float()


def unit(x: Tensor) -> Tensor:
    """Rows at length 1: (…, dim) → (…, dim). A row of zeros stays one, and its gradient is finite."""
    found: Tensor = _Unit.apply(at_least_float32(x))
    return found


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Inner products of unit rows, in their own precision: (n, dim), (m, dim) → (n, m)."""
    with torch.autocast(a.device.type, enabled=False):
        return a @ b.T


def placed(x: Tensor, metric: Metric) -> Tensor:
    """`x` on the unit sphere for a metric of vectors; as it is, and looked at, for one of histograms: (n, dim).

    Raises
    ------
    UsageError
        Rows that are not what the metric takes.
    """
    if metric.domain == "vectors":
        return unit(x)
    x = at_least_float32(x)
    try:
        metric.check(x, "the embeddings")
    except UsageError as error:
        raise UsageError(f"the metric {metric.name} takes {metric.domain}: {error}") from None
    return x


def of_vectors(metric: Metric | MetricLayer) -> Metric:
    """The metric with its arrays as they are now. Raises `UsageError` where it is not one of vectors."""
    metric = now(metric)
    if metric.domain != "vectors":
        raise UsageError(f"a class has a point of the sphere here, and the metric {metric.name} takes {metric.domain}")
    return metric


def now(metric: Metric | MetricLayer) -> Metric:
    """The metric, with the arrays of its layer as they are now."""
    return metric.metric if isinstance(metric, MetricLayer) else metric


def distances(anchors: Tensor, references: Tensor, metric: Metric | MetricLayer) -> Tensor:
    """`metric` between all anchors and references: (n, dim), (m, dim) → (n, m). Raises `UsageError` as `placed`."""
    metric = now(metric)
    with torch.autocast(anchors.device.type, enabled=False):
        q = placed(anchors, metric)
        s = q if references is anchors else placed(references, metric)
        if isinstance(metric, MappedMetric) and metric.between_uses_maps:
            if metric.is_cosine:  # whose map is the sphere
                return linked(metric, q, s)
            return linked(metric, metric.query_map(q), metric.stored_map(s))
        # NaN is for the training to notice. A metric without maps makes (rows, references, dim) numbers.
        rows = None if isinstance(metric, MappedMetric) else max(1, NUMBERS // max(1, s.numel()))
        return in_blocks(partial(metric.pairwise, check=False), q, s, rows)


class _Unit(torch.autograd.Function):
    """The cosine's map, with its derivative: what is along the vector is left out of a gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        length = torch.where(length > 0, length, 1.0)
        z: Tensor = x / length
        ctx.save_for_backward(z, length)
        return z

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        z, length = ctx.saved_tensors
        along = (gradient * z).sum(dim=-1, keepdim=True)
        found: Tensor = torch.addcmul(gradient, z, along, value=-1) / length
        return found
