"""Metrics between vectors, histograms and Gaussians; most are two maps and a link, so that one index serves them."""

from collections.abc import Mapping
from typing import Any

from semelha.errors import ModelError, UsageError
from semelha.metrics.base import Metric, Nearest
from semelha.metrics.checks import additive_smoothing
from semelha.metrics.gaussians import (
    GaussianBhattacharyya,
    GaussianKullbackLeibler,
    GaussianMatusita,
    pack_gaussians,
    unpack_gaussians,
)
from semelha.metrics.histograms import (
    Bhattacharyya,
    ChiSquare,
    Hellinger,
    Jeffreys,
    JensenShannon,
    JensenShannonDistance,
    KullbackLeibler,
    Matusita,
    ReverseKullbackLeibler,
    SquaredHellinger,
    SquaredMatusita,
    bhattacharyya_coefficient,
)
from semelha.metrics.mapped import MappedMetric, ScannedMetric
from semelha.metrics.vectors import Agreement, Cosine, Euclidean, Mahalanobis, SquaredEuclidean

__all__ = [
    "METRICS",
    "Agreement",
    "Bhattacharyya",
    "ChiSquare",
    "Cosine",
    "Euclidean",
    "GaussianBhattacharyya",
    "GaussianKullbackLeibler",
    "GaussianMatusita",
    "Hellinger",
    "Jeffreys",
    "JensenShannon",
    "JensenShannonDistance",
    "KullbackLeibler",
    "Mahalanobis",
    "MappedMetric",
    "Matusita",
    "Metric",
    "Nearest",
    "ReverseKullbackLeibler",
    "ScannedMetric",
    "SquaredEuclidean",
    "SquaredHellinger",
    "SquaredMatusita",
    "additive_smoothing",
    "bhattacharyya_coefficient",
    "metric_from_card",
    "pack_gaussians",
    "unpack_gaussians",
]

METRICS: dict[str, type[Metric]] = {
    kind.name: kind
    for kind in map(globals().get, __all__)
    if isinstance(kind, type) and issubclass(kind, Metric) and hasattr(kind, "name")
}
"""All metrics by the name that a model card has for them."""


def metric_from_card(spec: Mapping[str, object], arrays: Mapping[str, Any] | None = None) -> Metric:
    """Build a metric from its entry in a model card, such as `{"name": "cosine"}`, and the arrays stored beside it.

    The entry is `{"name": metric.name, **metric.parameters()}`, the arrays are `metric.arrays()`.

    Raises
    ------
    ModelError
        The name is unknown, or the metric does not have these parameters or arrays.
    """
    name = spec.get("name")
    if not isinstance(name, str) or name not in METRICS:
        raise ModelError(f"the model has the metric {name!r:.60}: known are {', '.join(sorted(METRICS))}")
    unknown = sorted(set(spec) - {"name"})
    if unknown:
        raise ModelError(f"the metric {name} takes no {', '.join(unknown):.200}")
    arrays = dict(arrays or {})
    needed = sorted(METRICS[name].array_names)
    if sorted(arrays) != needed:
        raise ModelError(f"the metric {name} needs the arrays {needed}, and the model has {sorted(arrays)}")
    try:
        return METRICS[name](**arrays)
    except UsageError as error:
        raise ModelError(f"the metric {name} of the model is invalid: {error}") from None
