"""Metrics between vectors, histograms and Gaussians; most are two maps and a link, so that one index serves them."""

from semelha.metrics.agreement import Agreement
from semelha.metrics.base import Metric, Nearest
from semelha.metrics.checks import additive_smoothing
from semelha.metrics.divergences import (
    ChiSquare,
    Jeffreys,
    JensenShannon,
    JensenShannonDistance,
    KullbackLeibler,
    ReverseKullbackLeibler,
)
from semelha.metrics.euclidean import Cosine, Euclidean, SquaredEuclidean
from semelha.metrics.gaussians import (
    GaussianBhattacharyya,
    GaussianKullbackLeibler,
    GaussianMatusita,
    pack_gaussians,
    unpack_gaussians,
)
from semelha.metrics.histograms import (
    Bhattacharyya,
    Hellinger,
    Matusita,
    SquaredHellinger,
    SquaredMatusita,
    bhattacharyya_coefficient,
)
from semelha.metrics.mahalanobis import Mahalanobis
from semelha.metrics.mapped import MappedMetric
from semelha.metrics.registry import METRICS, metric_from_card
from semelha.metrics.scanned import ScannedMetric

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
