"""Agreement about thresholds: what boosted similarity learns."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from semelha.errors import UsageError
from semelha.metrics.base import Array
from semelha.metrics.mapped import MappedMetric
from semelha.metrics.namespace import array_namespace
from semelha.metrics.safe import like


class Agreement(MappedMetric):
    """Σ α [q and s lie on different sides of a threshold of one feature]: a weighted Hamming distance.

    The maps are √α · (±1), +1 where the feature is at most the threshold. Symmetric; the triangle inequality holds.
    Shakhnarovich, "Learning task-specific similarity", PhD thesis, MIT 2005, chapter 3, where the similarity is
    Σ α − 2 of this. Between thresholds the gradient is 0: nothing learns through it.

    Parameters
    ----------
    features : (t,) whole numbers
        Which number of a row each threshold is about; a feature may come more than once.
    thresholds : (t,)
    weights : (t,), none below 0
        α.

    Raises
    ------
    UsageError
        Arrays of other shapes, a number that is not finite, a feature that is no position, a weight below 0.
    """

    name = "agreement"
    triangle = True
    product: ClassVar[Literal["l2sq", "ip"]] = "l2sq"
    one_map = True
    array_names = ("features", "thresholds", "weights")

    def __init__(self, *, features: Any, thresholds: Any, weights: Any) -> None:
        self.features, self.thresholds, self.weights = (
            np.asarray(array, np.float64) for array in (features, thresholds, weights)
        )
        shape = self.features.shape
        if len(shape) != 1 or not shape[0] or self.thresholds.shape != shape or self.weights.shape != shape:
            raise UsageError("agreement needs as many features as thresholds and weights, and one at least")
        if not all(np.isfinite(array).all() for array in (self.features, self.thresholds, self.weights)):
            raise UsageError("the features, thresholds and weights of agreement must be finite")
        if (self.features < 0).any() or (self.features % 1 != 0).any():
            raise UsageError("the features of agreement are positions in a row: whole numbers from 0 on")
        if (self.weights < 0).any():
            raise UsageError(f"the weights of agreement must not be below 0, and one is {self.weights.min():g}")

    def __repr__(self) -> str:
        return f"Agreement(<{self.features.shape[0]} thresholds>)"

    def check(self, x: Array, what: str = "the array") -> None:
        last = int(self.features.max())
        if x.shape[1] <= last:
            raise UsageError(f"the rows of {what} have {x.shape[1]} numbers, and a threshold is about number {last}")
        super().check(x, what)

    def query_map(self, q: Array) -> Array:
        xp = array_namespace(q)
        places = xp.astype(xp.round(like(q, self.features)), xp.int64)
        taken = xp.take(q, places, axis=1)  # (n, t)
        one = xp.ones_like(taken)
        sides = xp.where(taken <= like(q, self.thresholds), one, -one) + 0 * taken  # which has a gradient, of 0
        return sides * like(q, self.weights) ** 0.5

    def stored_map(self, s: Array) -> Array:
        return self.query_map(s)

    def link(self, x: Array) -> Array:
        return x / 4
