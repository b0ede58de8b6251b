"""The pairs of a batch: distances of anchors to references, and which pairs are positive or negative."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from semelha.deep.losses.distances import current_metric, pairwise_distances
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Metric


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
        Length of an embedding.
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
