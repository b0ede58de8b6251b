"""Compare methods on one's own pictures, in the same class-disjoint folds, and recommend one; tune its settings."""

from semelha.comparison.result import Comparison
from semelha.comparison.run import RESULT, compare
from semelha.comparison.tuned import Tuning
from semelha.comparison.tuning import TUNED, tune

__all__ = ["RESULT", "TUNED", "Comparison", "Tuning", "compare", "tune"]
