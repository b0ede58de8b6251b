"""From what a model card says to a metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from semelha.errors import ModelError, UsageError
from semelha.metrics.agreement import Agreement
from semelha.metrics.base import Metric
from semelha.metrics.divergences import (
    ChiSquare,
    Jeffreys,
    JensenShannon,
    JensenShannonDistance,
    KullbackLeibler,
    ReverseKullbackLeibler,
)
from semelha.metrics.euclidean import Cosine, Euclidean, SquaredEuclidean
from semelha.metrics.gaussians import GaussianBhattacharyya, GaussianKullbackLeibler, GaussianMatusita
from semelha.metrics.histograms import Bhattacharyya, Hellinger, Matusita, SquaredHellinger, SquaredMatusita
from semelha.metrics.mahalanobis import Mahalanobis

METRICS: dict[str, type[Metric]] = {
    kind.name: kind
    for kind in (
        Euclidean,
        SquaredEuclidean,
        Cosine,
        Mahalanobis,
        Agreement,
        Matusita,
        SquaredMatusita,
        Hellinger,
        SquaredHellinger,
        Bhattacharyya,
        KullbackLeibler,
        ReverseKullbackLeibler,
        Jeffreys,
        JensenShannon,
        JensenShannonDistance,
        ChiSquare,
        GaussianKullbackLeibler,
        GaussianBhattacharyya,
        GaussianMatusita,
    )
}
"""Every metric by the name that a card has for it."""


def metric_from_card(spec: Mapping[str, object], arrays: Mapping[str, Any] | None = None) -> Metric:
    """The metric of `{"name": …}`, with the arrays that were stored beside the card.

    A metric is written as `{"name": metric.name, **metric.parameters()}` and `metric.arrays()`.

    Raises
    ------
    ModelError
        The name is unknown, or has parameters or arrays that it cannot have.
    """
    name = spec.get("name")
    if not isinstance(name, str) or name not in METRICS:
        raise ModelError(f"the model has the metric {name!r}: known are {', '.join(sorted(METRICS))}")
    unknown = sorted(set(spec) - {"name"})
    if unknown:
        raise ModelError(f"the metric {name} takes no {', '.join(unknown)}")
    given = dict(arrays or {})
    wanted = sorted(METRICS[name].array_names)
    if sorted(given) != wanted:
        raise ModelError(f"the metric {name} needs the arrays {wanted}, and the model has {sorted(given)}")
    try:
        return METRICS[name](**given)
    except UsageError as error:
        raise ModelError(f"the metric {name} of the model cannot be made: {error}") from None
