"""Weighted Hamming distance between thresholded features: the metric that `BoostedSimilarity` learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from semelha.errors import UsageError
from semelha.metrics.array_math import array_namespace, convert_like
from semelha.metrics.base import Array
from semelha.metrics.mapped import MappedMetric


class Agreement(MappedMetric):
    """Σ α [q and s lie on different sides of a threshold]: a weighted Hamming distance.

    Each threshold is one of a feature. The maps are √α · (±1), +1 if the feature is at most the threshold. Symmetric;
    the triangle inequality holds. The gradient is 0 everywhere, so nothing can be learned through it.
    Shakhnarovich, "Learning task-specific similarity", PhD thesis, MIT 2005, chapter 3, who uses the similarity
    Σ α − 2 f(q, s).

    Parameters
    ----------
    features : (t,) whole numbers
        Column of each threshold's feature; a column may occur more than once.
    thresholds : (t,)
    weights : (t,), none below 0
        α.

    Raises
    ------
    UsageError
        Arrays of other shapes, a number that is not finite, a feature that is not a column, a weight below 0.
    """

    name = "agreement"
    has_triangle_inequality = True
    product = "l2sq"
    array_names = ("features", "thresholds", "weights")

    def __init__(self, *, features: Any, thresholds: Any, weights: Any) -> None:
        self.features, self.thresholds, self.weights = (
            np.asarray(array, np.float64) for array in (features, thresholds, weights)
        )
        shape = self.features.shape
        if len(shape) != 1 or not shape[0] or self.thresholds.shape != shape or self.weights.shape != shape:
            raise UsageError("features, thresholds and weights must be of one shape (t,), with t at least 1")
        if not all(np.isfinite(array).all() for array in (self.features, self.thresholds, self.weights)):
            raise UsageError("features, thresholds and weights must be finite")
        if (self.features < 0).any() or (self.features % 1 != 0).any():
            raise UsageError("features must be columns: whole numbers from 0 on")
        if (self.weights < 0).any():
            raise UsageError(f"weights must be 0 or more, and one is {self.weights.min():g}")

    def __repr__(self) -> str:
        return f"Agreement(<{self.features.shape[0]} thresholds>)"

    def check(self, x: Array, what: str = "the array") -> None:
        last = int(self.features.max())
        if x.shape[1] <= last:
            raise UsageError(f"the rows of {what} have {x.shape[1]} numbers, and a threshold is of column {last}")
        super().check(x, what)

    def query_map(self, q: Array) -> Array:
        xp = array_namespace(q)
        columns = xp.astype(xp.round(convert_like(q, self.features)), xp.int64)
        features = xp.take(q, columns, axis=1)  # (n, t)
        one = xp.ones_like(features)
        sides = xp.where(features <= convert_like(q, self.thresholds), one, -one) + 0 * features  # has a gradient: 0
        return sides * convert_like(q, self.weights) ** 0.5

    def link(self, x: Array) -> Array:
        return x / 4
