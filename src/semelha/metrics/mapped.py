"""A metric with maps: f(q, s) = link(φ(q) ⊙ ψ(s)), with ⊙ the squared Euclidean distance or the inner product.

So one index serves them all, at the speed of matrix products. What hangs on one side alone, such as the Σ q ln q of
a divergence, is one more coordinate of that side's map, 1 in the other's: the link is a function of a single number.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from semelha.metrics.base import Array, Metric
from semelha.metrics.namespace import array_namespace, inner
from semelha.metrics.safe import positive_part
from semelha.metrics.search import filtered


class MappedMetric(Metric):
    """Two maps and a link.

    Attributes
    ----------
    product : {"l2sq", "ip"}
        ⊙: squared Euclidean distance (smaller is nearer) or inner product (larger is nearer).
    each_by_maps : bool
        `between` goes by the maps too, and not by a formula that is right where they are not.
    one_map : bool
        φ and ψ are the same, so that a pair has one distance either way round.
    """

    product: ClassVar[Literal["l2sq", "ip"]]
    exact_map = True
    search = "maps"
    each_by_maps: ClassVar[bool] = True
    one_map: ClassVar[bool] = False

    @abstractmethod
    def query_map(self, q: Array) -> Array:
        """φ: (n, d) → (n, m). Where it takes a logarithm, `UsageError` for a row that is not above 0."""

    @abstractmethod
    def stored_map(self, s: Array) -> Array:
        """ψ: (n, d) → (n, m). Where it takes a logarithm, `UsageError` for a row that is not above 0."""

    @abstractmethod
    def link(self, x: Array) -> Array:
        """Distances from values of ⊙, of any shape."""

    def _all(self, q: Array, s: Array) -> Array:
        return self.link(self._products(self.query_map(q), self.stored_map(s)))

    def among(self, a: Array, s: Array) -> Array:
        """Distances of each query, whose φ is known, to c rows of its own: (q, m), (q · c, d) → (q, c).

        The numbers of `each`, where `each_by_maps` holds.
        """
        q, m = a.shape
        b = self.stored_map(s).reshape((q, s.shape[0] // max(1, q), m))
        if self.product == "ip":
            return self.link(inner(a[:, None, :], b))
        difference = a[:, None, :] - b
        return self.link(inner(difference, difference))

    def _each(self, q: Array, s: Array) -> Array:
        return array_namespace(q, s).reshape(self.among(self.query_map(q), s), (q.shape[0],))

    def _products(self, a: Array, b: Array) -> Array:
        """Every a ⊙ b: (n, m), (k, m) → (n, k)."""
        xp = array_namespace(a, b)
        inner = a @ xp.matrix_transpose(b)
        if self.product == "ip":
            return inner
        squares = xp.sum(a * a, axis=1)[:, None] + xp.sum(b * b, axis=1)[None, :]
        return positive_part(squares - 2 * inner)

    def _search(self, q: Array, s: Array, k: int) -> tuple[Array, Array]:
        return filtered(self, q, s, k, self._each)
