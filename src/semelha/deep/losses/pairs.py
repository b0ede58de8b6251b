"""Anchors against references: what every loss of pairs sees, and what such a loss is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from semelha.deep.losses.sphere import distances, now
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Metric

if TYPE_CHECKING:
    from semelha.deep.losses.mining import Mining


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


class PairLoss(nn.Module, ABC):
    """A loss of the distances between anchors and references.

    Attributes
    ----------
    metric : Metric or MetricLayer
        The distance. A layer's arrays, such as the L of Mahalanobis, are learned with the network. Embeddings of any
        length are put on the unit sphere for a metric of vectors; for one of histograms they must be some.
    mining : Mining
        Which pairs and triplets count. One that takes no distances of the metric raises `UsageError`.
    """

    def __init__(self, metric: Metric | MetricLayer, mining: Mining) -> None:
        super().__init__()
        mining.check(now(metric))
        self.metric = metric
        self.mining = mining

    def forward(self, embeddings: Tensor, labels: Tensor, references: References | None = None) -> Tensor:
        """The loss of a batch, a scalar, in float32 or better.

        Parameters
        ----------
        embeddings : (batch, dim)
        labels : (batch,) int64
        references : References, optional
            What they are compared with; one another if not given.

        Raises
        ------
        UsageError
            The metric cannot take the embeddings.
        """
        return self.of(compared(embeddings, labels, references, self.metric))

    @abstractmethod
    def of(self, pairs: Pairs) -> Tensor:
        """The loss of these pairs; 0, with a gradient of 0, where there is nothing to compare."""


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
