"""The metric as the last layer of a network."""

from __future__ import annotations

from torch import Tensor, nn

from semelha.metrics import Metric


class MetricLayer(nn.Module):
    """Maps embeddings to where the plain product is the metric: (batch, dim) → (batch, dim).

    For the cosine distance that is the unit sphere. Its gradient is finite for a vector of zeros.
    """

    def __init__(self, metric: Metric) -> None:
        super().__init__()
        self.metric = metric

    def forward(self, x: Tensor) -> Tensor:
        mapped: Tensor = self.metric.query_map(x)
        return mapped
