"""Compare methods on one's own pictures, in the same class-disjoint folds."""

from semelha.comparison.result import Comparison

__all__ = ["Comparison"]
