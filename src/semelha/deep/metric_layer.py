"""The metric as the last layer of a network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from semelha.errors import UsageError
from semelha.metrics import Cosine, MappedMetric, Metric


class MetricLayer(nn.Module):
    """Maps embeddings to where the plain product is the metric: (batch, dim) → (batch, m).

    For the cosine distance that is the unit sphere, for Mahalanobis x Lᵀ, for Matusita √x; its gradient is finite for
    a vector of zeros. The arrays of the metric, such as L, are parameters of the layer, and learned with the network.

    A metric with different maps of its two sides (Kullback–Leibler) has two outputs: the layer itself maps queries,
    `stored` maps stored vectors, and the product of the two is the metric. For a metric without maps (Jensen–Shannon)
    the layer returns its input. `distances` and `found` work for every metric. Maps that take a logarithm check the
    values, and cannot be exported.

    Parameters
    ----------
    metric : Metric
    """

    def __init__(self, metric: Metric) -> None:
        super().__init__()
        self._metric = metric
        # In the precision of the layers around it: Mahalanobis(M=…) has float64, a network float32.
        kind = torch.get_default_dtype()
        for name, value in metric.arrays().items():
            array: Any = value.detach().clone() if isinstance(value, Tensor) else torch.tensor(value, dtype=kind)
            self.register_parameter(name, nn.Parameter(array))

    @property
    def metric(self) -> Metric:
        """The metric with the current arrays; its distances of tensors have a gradient in them."""
        return self._metric.with_arrays(dict(self.named_parameters(recurse=False)))

    @property
    def found(self) -> Metric:
        """The metric with the learned arrays in NumPy, as a model stores it."""
        arrays = {name: value.detach().cpu().numpy().copy() for name, value in self.named_parameters(recurse=False)}
        return self._metric.with_arrays(arrays)

    def forward(self, x: Tensor) -> Tensor:
        metric = self.metric
        if not isinstance(metric, MappedMetric):
            return x
        mapped: Tensor = metric.query_map(x)
        return mapped

    def stored(self, x: Tensor) -> Tensor:
        """Map stored vectors: (batch, dim) → (batch, m)."""
        metric = self.metric
        if not isinstance(metric, MappedMetric):
            return x
        mapped: Tensor = metric.stored_map(x)
        return mapped

    def distances(self, q: Tensor, s: Tensor) -> Tensor:
        """Distances of unmapped vectors: (n, dim), (m, dim) → (n, m). Raises `UsageError`."""
        found: Tensor = self.metric.pairwise(q, s)
        return found


def metric_of(loss: nn.Module) -> Metric:
    """The metric of the embeddings that a loss trains, in NumPy, as a model card stores it.

    It is the metric of histograms, or the learned one, if the loss or a part of it has one; else cosine, because all
    others rank unit vectors as it does. Raises `UsageError` if two parts of the loss have different ones.
    """
    parts = {id(metric): metric for part in loss.modules() if (metric := getattr(part, "metric", None)) is not None}
    layers = [metric.found for metric in parts.values() if isinstance(metric, MetricLayer)]
    of_histograms = [each for each in parts.values() if isinstance(each, Metric) and each.domain != "vectors"]
    if len(layers) > 1 or len({metric.name for metric in layers + of_histograms}) > 1:
        names = ", ".join(metric.name for metric in layers + of_histograms)
        raise UsageError(f"a model has one metric, and its loss has {names}: give all parts of the loss the same")
    return next(iter(layers + of_histograms), Cosine())
