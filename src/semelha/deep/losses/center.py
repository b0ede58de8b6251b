"""Center loss: every picture near the center of its class."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from semelha.deep.losses.sphere import at_least_float32, of_vectors, unit
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Metric, SquaredEuclidean


class CenterLoss(nn.Module):
    """Center loss (Wen et al., ECCV 2016, equation 2): half the mean squared distance to the center of the class.

    Embeddings (batch, dim) of any length are put on the unit sphere here; labels (batch,) int64 in 0..classes − 1. The
    centers are learned with the network rather than by the paper's own rule, and may lie within the sphere. It knows no
    negatives: take it `WeightedSum` with a loss that does.

    Parameters
    ----------
    classes, dim : int
    metric : Metric or MetricLayer, optional
        Of vectors; squared Euclidean where not given.
    """

    def __init__(self, classes: int, dim: int, *, metric: Metric | MetricLayer | None = None) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.randn(classes, dim) / dim**0.5)
        self.metric = metric or SquaredEuclidean()

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        metric = of_vectors(self.metric)
        with torch.autocast(embeddings.device.type, enabled=False):
            away: Tensor = metric.between(unit(embeddings), at_least_float32(self.centers)[labels], check=False)
        return away.mean() / 2
