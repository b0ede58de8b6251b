"""The pairs of a batch: the distances of anchors to references, and which pairs are positive or negative."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from semelha.deep.losses.sphere import distances, now
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Metric


@dataclass(frozen=True, eq=False)
class References:
    """What the anchors of a batch are compared with, where that is not the batch itself.

    Attributes
    ----------
    embeddings : (references, dim)
    labels : (references,) int64
    own : (batch,) int64 or None
        The place of each anchor among the references, where it is its own neither positive nor negative; None where
        it is not among them.
    """

    embeddings: Tensor
    labels: Tensor
    own: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Pairs:
    """Every anchor with every reference.

    Attributes
    ----------
    distance : (anchors, references)
        With a gradient.
    positive, negative : (anchors, references) bool
        Which pairs are of one class, without an anchor and itself, and which are of two.
    labels, reference_labels : (anchors,), (references,) int64
    dim : int
        Length of an embedding.
    metric : Metric
        What the distances are of.
    """

    distance: Tensor
    positive: Tensor
    negative: Tensor
    labels: Tensor
    reference_labels: Tensor
    dim: int
    metric: Metric

    def only(self, positive: Tensor, negative: Tensor) -> Pairs:
        """The same with other positives and negatives."""
        return replace(self, positive=positive, negative=negative)


def compared(embeddings: Tensor, labels: Tensor, references: References | None, metric: Metric | MetricLayer) -> Pairs:
    """Every anchor with every reference, by `metric`. Raises `UsageError` where it cannot take the embeddings."""
    if references is None:
        own = torch.arange(len(labels), device=labels.device)
        references = References(embeddings, labels, own)
    distance = distances(embeddings, references.embeddings, metric)
    positive, negative = positives_and_negatives(labels, references)
    return Pairs(distance, positive, negative, labels, references.labels, embeddings.shape[1], now(metric))


def positives_and_negatives(labels: Tensor, references: References) -> tuple[Tensor, Tensor]:
    """(anchors, references) bool: pairs of one class without an anchor and itself, and pairs of two classes."""
    same = labels[:, None] == references.labels
    negative = ~same
    if references.own is not None:
        same[torch.arange(len(labels), device=labels.device), references.own] = False
    return same, negative
