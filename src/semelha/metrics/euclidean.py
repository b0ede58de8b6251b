"""Euclidean distance, squared Euclidean distance, and cosine distance."""

from __future__ import annotations

import numpy as np

from semelha.errors import UsageError
from semelha.metrics.array_math import array_namespace, safe_sqrt, vecdot
from semelha.metrics.base import Array
from semelha.metrics.mapped import MappedMetric

LARGE_ENOUGH = 1e-30
"""A square above it has all its digits, in float32 too."""


class Euclidean(MappedMetric):
    """‖q − s‖₂. It is a metric: identity, symmetry, triangle inequality.

    `pairwise` computes √(‖q‖² + ‖s‖² − 2⟨q, s⟩), so that near 0 its error is about 10⁻⁸ ‖q‖ in float64 and 10⁻³ ‖q‖
    in float32. `between` and `nearest` are exact there.
    """

    name = "euclidean"
    has_triangle_inequality = True
    product = "l2sq"
    link_type = "sqrt"
    max_distance = 2.0
    has_chord_length = True

    def query_map(self, q: Array) -> Array:
        return q

    def chord_length(self, distance: Array) -> Array:
        return distance


class SquaredEuclidean(MappedMetric):
    """‖q − s‖₂². Symmetric; the triangle inequality does not hold."""

    name = "squared-euclidean"
    product = "l2sq"
    link_type = "identity"
    max_distance = 4.0
    has_chord_length = True

    def query_map(self, q: Array) -> Array:
        return q

    def chord_length(self, distance: Array) -> Array:
        return safe_sqrt(distance)


class Cosine(MappedMetric):
    """1 − ⟨q, s⟩ / (‖q‖ ‖s‖), from 0 to 2. A vector of length 0 has distance 1 to every vector, itself included."""

    name = "cosine"
    is_cosine = True
    product = "ip"
    link_type = "one-minus"
    max_distance = 2.0
    has_chord_length = True

    def check(self, x: Array, what: str = "the array") -> None:
        super().check(x, what)
        xp = array_namespace(x)
        squares = vecdot(x, x)
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
        squares = vecdot(q, q)[..., None]
        positive = squares > 0
        if type(q) is np.ndarray and positive.all():
            return q / np.sqrt(squares)
        return q / xp.sqrt(xp.where(positive, squares, xp.ones_like(squares)))

    def candidate_distances(self, a: Array, s: Array) -> Array:
        """As in every metric with maps, but products are divided by the lengths of s: cheaper than s before."""
        b = s.reshape((len(a), s.shape[0] // max(1, len(a)), s.shape[1]))
        lengths = safe_sqrt(vecdot(b, b))
        return self.link(vecdot(a[:, None, :], b) / array_namespace(b).where(lengths > 0, lengths, 1))

    def chord_length(self, distance: Array) -> Array:
        return safe_sqrt(2 * distance)
