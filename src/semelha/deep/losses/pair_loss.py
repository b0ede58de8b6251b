"""The base class of losses that compare pairs of embeddings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from semelha.deep.losses.distances import current_metric
from semelha.deep.losses.mining import AllPairs, Mining
from semelha.deep.losses.pairs import Pairs, References, make_pairs
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Cosine, Metric


class PairLoss(nn.Module, ABC):
    """A loss of the distances between anchors and references.

    Raises `UsageError` if the mining does not take distances of the metric.

    Parameters
    ----------
    metric : Metric or MetricLayer
        The distance. The arrays of a layer, such as the L of Mahalanobis, are learned with the network. Embeddings are
        normalized to unit length for a metric of vectors; they must be histograms for a metric of histograms.
    mining : Mining, optional
        The pairs and triplets that count; all pairs by default.
    """

    def __init__(self, metric: Metric | MetricLayer, mining: Mining | None) -> None:
        super().__init__()
        self.metric = metric
        self.mining = mining or AllPairs()
        self.mining.check(current_metric(metric))

    def forward(self, embeddings: Tensor, labels: Tensor, references: References | None = None) -> Tensor:
        """Compute the loss of a batch: a scalar in float32, or in float64 if the embeddings are.

        Raises `UsageError` if the metric cannot take the embeddings.

        Parameters
        ----------
        embeddings : (batch, dim)
        labels : (batch,) int64
        references : References, optional
            Embeddings to compare the batch with; the batch itself by default.
        """
        return self.of_pairs(make_pairs(embeddings, labels, references, self.metric))

    @abstractmethod
    def of_pairs(self, pairs: Pairs) -> Tensor:
        """Compute the loss of pairs: 0, with gradient 0, if there is nothing to compare."""


class TemperatureLoss(PairLoss):
    """A loss of the scores −d/τ of pairs.

    Parameters
    ----------
    temperature : float, optional
        τ; `default_temperature` of the class by default.
    metric : Metric or MetricLayer, optional
        d; cosine by default.
    mining : Mining, optional
        All pairs by default. Pairs that it leaves out are in no sum.
    """

    default_temperature: ClassVar[float]

    def __init__(
        self,
        *,
        temperature: float | None = None,
        metric: Metric | MetricLayer | None = None,
        mining: Mining | None = None,
    ) -> None:
        super().__init__(metric or Cosine(), mining)
        self.temperature = self.default_temperature if temperature is None else temperature
