"""Euclidean distance, its square, and cosine distance."""

from __future__ import annotations

import numpy as np

from semelha.errors import UsageError
from semelha.metrics.base import Array
from semelha.metrics.mapped import MappedMetric
from semelha.metrics.namespace import array_namespace, inner
from semelha.metrics.safe import positive_part, root

LARGE_ENOUGH = 1e-30
"""A square that no precision has lost digits of."""


class Euclidean(MappedMetric):
    """‖q − s‖₂. A metric: identity, symmetry, triangle inequality.

    `pairwise` takes squares apart, ‖q‖² + ‖s‖² − 2⟨q, s⟩, so that near 0 it is right to about 10⁻⁸ ‖q‖ in float64 and
    10⁻³ ‖q‖ in float32; `between` and `nearest` are exact there.
    """

    name = "euclidean"
    triangle = True
    product = "l2sq"
    one_map = True

    def query_map(self, q: Array) -> Array:
        return q

    def stored_map(self, s: Array) -> Array:
        return s

    def link(self, x: Array) -> Array:
        return root(x)


class SquaredEuclidean(MappedMetric):
    """‖q − s‖₂². Symmetric; the triangle inequality does not hold."""

    name = "squared-euclidean"
    product = "l2sq"
    one_map = True

    def query_map(self, q: Array) -> Array:
        return q

    def stored_map(self, s: Array) -> Array:
        return s

    def link(self, x: Array) -> Array:
        return x


class Cosine(MappedMetric):
    """1 − ⟨q, s⟩ / (‖q‖ ‖s‖), between 0 and 2. Vectors of length 0 have distance 1 to everything, themselves too."""

    name = "cosine"
    product = "ip"
    one_map = True

    def check(self, x: Array, what: str = "the array") -> None:
        super().check(x, what)
        xp = array_namespace(x)
        squares = inner(x, x)
        if type(x) is np.ndarray and x.size and squares.min() > LARGE_ENOUGH:
            return
        small = squares < xp.finfo(x.dtype).smallest_normal
        if not bool(xp.any(small)):
            return
        lost = small & xp.any(x != 0, axis=1)
        if bool(xp.any(lost)):
            row = int(xp.argmax(xp.astype(lost, xp.int8)))
            raise UsageError(
                f"row {row} of {what} has numbers whose squares are too small for {x.dtype}: scale the vectors up"
            )

    def query_map(self, q: Array) -> Array:
        xp = array_namespace(q)
        squares = inner(q, q)[..., None]
        positive = squares > 0
        if type(q) is np.ndarray and positive.all():
            return q / np.sqrt(squares)
        return q / xp.sqrt(xp.where(positive, squares, xp.ones_like(squares)))

    def stored_map(self, s: Array) -> Array:
        return self.query_map(s)

    def among(self, a: Array, s: Array) -> Array:
        """As for every metric with maps; what is stored is divided by its length after the product, not before."""
        b = s.reshape((len(a), s.shape[0] // max(1, len(a)), s.shape[1]))
        lengths = root(inner(b, b))
        return self.link(inner(a[:, None, :], b) / array_namespace(b).where(lengths > 0, lengths, 1))

    def link(self, x: Array) -> Array:
        return positive_part(1 - x)
