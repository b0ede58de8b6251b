"""From what a model card says to a metric."""

from __future__ import annotations

from collections.abc import Mapping

from semelha.errors import ModelError
from semelha.metrics.base import Metric
from semelha.metrics.euclidean import Cosine, Euclidean

_METRICS: dict[str, type[Metric]] = {kind.name: kind for kind in (Euclidean, Cosine)}


def metric_from_card(spec: Mapping[str, object]) -> Metric:
    """The metric of `{"name": …}`. Raises `ModelError` where the name is unknown or has parameters it cannot have."""
    name = spec.get("name")
    if not isinstance(name, str) or name not in _METRICS:
        raise ModelError(f"the model has the metric {name!r}: known are {', '.join(sorted(_METRICS))}")
    unknown = sorted(set(spec) - {"name"})
    if unknown:
        raise ModelError(f"the metric {name} takes no {', '.join(unknown)}")
    return _METRICS[name]()
