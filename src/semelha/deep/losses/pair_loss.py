"""The base class of losses that compare pairs of embeddings."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from semelha.deep.losses.mining import Mining
from semelha.deep.losses.pairs import Pairs, References, compared
from semelha.deep.losses.sphere import now
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Metric


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
