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

    A metric whose two sides have maps of their own (Kullback–Leibler) has two outputs: the layer itself is that of the
    queries, `stored` that of what is searched, and their product is the metric. A metric without maps (Jensen–Shannon)
    has nowhere to map to: the layer hands on its input, on which `distances` is the metric.

    `distances` and `found` serve every metric. Maps that take a logarithm look at the values, and cannot be exported.

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
        """The metric with the arrays as they are now; a distance of tensors by it has a gradient in them."""
        return self._metric.with_arrays(dict(self.named_parameters(recurse=False)))

    @property
    def found(self) -> Metric:
        """The metric with what was learned, in NumPy: what is written with a model."""
        arrays = {name: value.detach().cpu().numpy().copy() for name, value in self.named_parameters(recurse=False)}
        return self._metric.with_arrays(arrays)

    def forward(self, x: Tensor) -> Tensor:
        metric = self.metric
        if not isinstance(metric, MappedMetric):
            return x
        mapped: Tensor = metric.query_map(x)
        return mapped

    def stored(self, x: Tensor) -> Tensor:
        """As the layer itself, for what is searched: (batch, dim) → (batch, m)."""
        metric = self.metric
        if not isinstance(metric, MappedMetric):
            return x
        mapped: Tensor = metric.stored_map(x)
        return mapped

    def distances(self, q: Tensor, s: Tensor) -> Tensor:
        """The metric of every q to every s, before any map: (n, dim), (m, dim) → (n, m). Raises `UsageError`."""
        found: Tensor = self.metric.pairwise(q, s)
        return found


def metric_of(loss: nn.Module) -> Metric:
    """The distance that a loss has its embeddings compared by, in NumPy: what a model's card says.

    It is that of histograms, or the learned one, if the loss or a part of it has such; else cosine, for on the sphere
    all others rank as it does.

    Raises
    ------
    UsageError
        Two parts of the loss have two such.
    """
    parts = {id(metric): metric for part in loss.modules() if (metric := getattr(part, "metric", None)) is not None}
    layers = [metric.found for metric in parts.values() if isinstance(metric, MetricLayer)]
    of_histograms = [each for each in parts.values() if isinstance(each, Metric) and each.domain != "vectors"]
    if len(layers) > 1 or len({metric.name for metric in layers + of_histograms}) > 1:
        names = ", ".join(metric.name for metric in layers + of_histograms)
        raise UsageError(f"a model has one metric, and its loss has {names}: give all parts of the loss the same")
    return next(iter(layers + of_histograms), Cosine())
