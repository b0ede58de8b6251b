"""Similarity functions: two maps and a link, so that one index serves them all."""

from semelha.metrics.base import Metric
from semelha.metrics.euclidean import Cosine, Euclidean
from semelha.metrics.named import metric_from_card

__all__ = ["Cosine", "Euclidean", "Metric", "metric_from_card"]
