"""Image features that need no training: statistics, histograms, HOG and raw pixels."""

from semelha.features.base import Features
from semelha.features.first_order import STATISTICS, FirstOrder
from semelha.features.histogram import Histogram
from semelha.features.hog import HOG
from semelha.features.named import FEATURES, features_from_card
from semelha.features.pixels import RawPixels

__all__ = [
    "FEATURES",
    "HOG",
    "STATISTICS",
    "Features",
    "FirstOrder",
    "Histogram",
    "RawPixels",
    "features_from_card",
]
