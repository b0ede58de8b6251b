"""Estimators of scikit-learn: pictures to vectors, and a classifier that can answer "unknown"."""

from semelha.sklearn.classifier import NearestSubjectClassifier
from semelha.sklearn.embedder import PictureEmbedder

__all__ = ["NearestSubjectClassifier", "PictureEmbedder"]
