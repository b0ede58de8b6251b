"""Compare methods on one's own pictures, in the same class-disjoint folds, and recommend one."""

from semelha.comparison.result import Comparison
from semelha.comparison.run import RESULT, compare

__all__ = ["RESULT", "Comparison", "compare"]
