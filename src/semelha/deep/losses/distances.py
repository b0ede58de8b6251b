"""The pairs of a batch, and their distances by any metric, in float32 or float64 for any precision of the network.

A metric with maps keeps one matrix for the distances and makes one for the gradient. Every other metric is computed in
blocks of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from semelha.deep.losses.blockwise import pairwise_in_blocks, row_blocks
from semelha.deep.metric_layer import MetricLayer
from semelha.errors import UsageError
from semelha.metrics import MappedMetric, Metric
from semelha.metrics.mapped import LinkType

BLOCK_NUMBERS = 1 << 22  # intermediate numbers of a block, for a metric that compares pair by pair


@dataclass(frozen=True)
class InplaceLink:
    """A link that overwrites its input, with a derivative that needs the distances alone."""

    forward: Callable[[Tensor], Tensor]  # distances from products, in place
    backward: Callable[[Tensor, Tensor], Tensor]  # gradient of the products, from the distances and their gradient


LINKS: dict[LinkType | None, InplaceLink] = {
    "identity": InplaceLink(lambda x: x.clamp_(min=0), lambda d, g: torch.where(d > 0, g, 0.0)),
    "sqrt": InplaceLink(lambda x: x.clamp_(min=0).sqrt_(), lambda d, g: torch.where(d > 0, g / (2 * d), 0.0)),
    "one-minus": InplaceLink(lambda x: x.neg_().add_(1).clamp_(min=0), lambda d, g: torch.where(d > 0, -g, 0.0)),
}
"""Every other link is differentiated by autograd."""


@dataclass(frozen=True, eq=False)
class References:
    """Embeddings that the anchors of a batch are compared with, other than the batch itself.

    Attributes
    ----------
    embeddings : (references, dim)
    labels : (references,) int64
    own : (batch,) int64 or None
        Position of each anchor among the references: that pair is neither positive nor negative. None if the anchors
        are not among them.
    """

    embeddings: Tensor
    labels: Tensor
    own: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Pairs:
    """All pairs of an anchor and a reference.

    Attributes
    ----------
    distance : (anchors, references)
        With a gradient.
    positive, negative : (anchors, references) bool
        Pairs of one class, without an anchor and itself; pairs of two classes.
    labels, reference_labels : (anchors,), (references,) int64
    dim : int
        Dimension of the embedding.
    metric : Metric
    """

    distance: Tensor
    positive: Tensor
    negative: Tensor
    labels: Tensor
    reference_labels: Tensor
    dim: int
    metric: Metric

    def only(self, positive: Tensor, negative: Tensor) -> Pairs:
        """Return the same pairs with other positives and negatives."""
        return replace(self, positive=positive, negative=negative)


def make_pairs(
    embeddings: Tensor, labels: Tensor, references: References | None, metric: Metric | MetricLayer
) -> Pairs:
    """Compare every anchor with every reference, or with the whole batch by default. Raises `UsageError`."""
    if references is None:
        references = References(embeddings, labels, torch.arange(len(labels), device=labels.device))
    distance = pairwise_distances(embeddings, references.embeddings, metric)
    same = labels[:, None] == references.labels
    negative = ~same
    if references.own is not None:
        same[torch.arange(len(labels), device=labels.device), references.own] = False
    return Pairs(distance, same, negative, labels, references.labels, embeddings.shape[1], current_metric(metric))


def pairwise_distances(anchors: Tensor, references: Tensor, metric: Metric | MetricLayer) -> Tensor:
    """Compute the distances of all anchors to all references: (n, dim), (m, dim) → (n, m).

    NaN is not checked: the training loop does that. Raises `UsageError` as `prepare_embeddings` does.
    """
    metric = current_metric(metric)
    with torch.autocast(anchors.device.type, enabled=False):
        q = prepare_embeddings(anchors, metric)
        s = q if references is anchors else prepare_embeddings(references, metric)
        if isinstance(metric, MappedMetric) and metric.between_uses_maps:
            if metric.is_cosine:  # the embeddings are normalized already
                return _mapped_distances(metric, q, s)
            return _mapped_distances(metric, metric.query_map(q), metric.stored_map(s))
        # A metric without maps makes (rows, references, dim) numbers.
        rows = None if isinstance(metric, MappedMetric) else max(1, BLOCK_NUMBERS // max(1, s.numel()))
        return pairwise_in_blocks(partial(metric.pairwise, check=False), q, s, rows)


def pairwise_cosines(a: Tensor, b: Tensor) -> Tensor:
    """Compute the inner products of unit rows, in their own precision: (n, dim), (m, dim) → (n, m)."""
    with torch.autocast(a.device.type, enabled=False):
        return a @ b.T


def prepare_embeddings(x: Tensor, metric: Metric) -> Tensor:
    """Normalize embeddings for a metric of vectors; check them for one of histograms, or raise `UsageError`."""
    if metric.domain == "vectors":
        return normalize(x)
    x = at_least_float32(x)
    try:
        metric.check(x, "the embeddings")
    except UsageError as error:
        raise UsageError(f"the metric {metric.name} takes {metric.domain}: {error}") from None
    return x


def normalize(x: Tensor) -> Tensor:
    """Scale rows to norm 1: (…, dim) → (…, dim). A row of zeros stays zero, with a finite gradient."""
    unit: Tensor = _Normalize.apply(at_least_float32(x))
    return unit


def at_least_float32(x: Tensor) -> Tensor:
    """Convert to float32, unless `x` is float64: half precision would lose small gradients."""
    return x if x.dtype == torch.float64 else x.float()


def vector_metric(metric: Metric | MetricLayer) -> Metric:
    """Return the current metric. Raises `UsageError` if it is not one of vectors."""
    metric = current_metric(metric)
    if metric.domain != "vectors":
        raise UsageError(
            f"the metric of this loss must be one of vectors, and the metric {metric.name} takes {metric.domain}"
        )
    return metric


def current_metric(metric: Metric | MetricLayer) -> Metric:
    """Return the metric; that of a layer has its learned arrays as they are now."""
    return metric.metric if isinstance(metric, MetricLayer) else metric


def _mapped_distances(metric: MappedMetric, a: Tensor, b: Tensor) -> Tensor:
    """Compute the distances of mapped rows: (n, m), (k, m) → (n, k)."""
    link = LINKS.get(metric.link_type)
    product: Tensor = _LinkedProduct.apply(metric.product == "l2sq", link, a, b)
    if link is not None:
        return product
    distances: Tensor = metric.link(product.clamp(min=0) if metric.product == "l2sq" else product)
    return distances


class _LinkedProduct(torch.autograd.Function):
    """a ⊙ b, replaced in place by the distances if the link is known."""

    @staticmethod
    def forward(ctx: Any, squared: bool, link: InplaceLink | None, a: Tensor, b: Tensor) -> Tensor:
        out = a @ b.T  # (n, k)
        squares = ((a * a).sum(dim=1)[:, None], (b * b).sum(dim=1)) if squared else None
        for rows in row_blocks(out):
            block = out[rows]
            if squares is not None:
                block.mul_(-2).add_(squares[0][rows]).add_(squares[1])
            if link is not None:
                link.forward(block)
        ctx.squared, ctx.link = squared, link
        ctx.save_for_backward(a, b, None if link is None else out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor | None, Tensor | None]:
        a, b, out = ctx.saved_tensors
        if out is not None:
            product_gradient = torch.empty_like(out)
            for rows in row_blocks(out):
                product_gradient[rows] = ctx.link.backward(out[rows], gradient[rows])
            gradient = product_gradient
        with torch.autocast(a.device.type, enabled=False):
            a_gradient = gradient @ b if ctx.needs_input_grad[2] else None
            b_gradient = gradient.T @ a if ctx.needs_input_grad[3] else None
        if ctx.squared:  # ‖a‖² + ‖b‖² − 2⟨a, b⟩
            a_gradient = None if a_gradient is None else 2 * (gradient.sum(dim=1)[:, None] * a - a_gradient)
            b_gradient = None if b_gradient is None else 2 * (gradient.sum(dim=0)[:, None] * b - b_gradient)
        return None, None, a_gradient, b_gradient


class _Normalize(torch.autograd.Function):
    """x / ‖x‖, whose gradient has no component along x."""

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
        x_gradient: Tensor = torch.addcmul(gradient, z, along, value=-1) / length
        return x_gradient
