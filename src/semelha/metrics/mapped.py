"""Metrics with maps, f(q, s) = link(φ(q) ⊙ ψ(s)), and metrics that are computed pair by pair.

⊙ is the squared Euclidean distance or the inner product: one index serves all mapped metrics at the speed of matrix
products. A term of one side alone, such as the Σ q ln q of a divergence, is one more coordinate of that side's map,
with a 1 in the other map: the link is a function of one number.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

from semelha.metrics.array_math import array_namespace, positive_part, safe_sqrt, vecdot
from semelha.metrics.base import Array, Metric, Search
from semelha.metrics.nearest import Product, nearest_by_product, nearest_by_scan

BLOCK = 1 << 16  # numbers of a block of pairs that fit in a core's cache

LinkType = Literal["identity", "sqrt", "one-minus", "negative"]

LINKS: dict[LinkType, Callable[[Array], Array]] = {
    "identity": lambda x: x,
    "sqrt": safe_sqrt,
    "one-minus": lambda x: positive_part(1 - x),
    "negative": lambda x: positive_part(-x),
}


class MappedMetric(Metric):
    """A distance that is two maps and a link.

    A subclass has a `query_map`, a `stored_map` if it is another one, and a `link_type` or its own `link`.

    Attributes
    ----------
    product : {"l2sq", "ip"}
        ⊙: squared Euclidean distance (smaller is nearer) or inner product (larger is nearer).
    link_type : {"identity", "sqrt", "one-minus", "negative"} or None
        The link: x, √x, 1 − x or −x, each 0 where it would be below. None if `link` is overridden.
    between_uses_maps : bool
        `between` is computed from the maps too, not from a formula that is more accurate.
    maps_are_costly : bool
        Maps take longer than distances of mapped rows: `nearest` maps each row once, and not each candidate.
    """

    product: ClassVar[Product]
    link_type: ClassVar[LinkType | None] = None
    between_uses_maps: ClassVar[bool] = True
    maps_are_costly: ClassVar[bool] = False
    search = "maps"

    @property
    def maps_are_equal(self) -> bool:
        """φ and ψ are the same function, so that f(q, s) = f(s, q)."""
        return type(self).stored_map is MappedMetric.stored_map

    @abstractmethod
    def query_map(self, q: Array) -> Array:
        """Compute φ: (n, d) → (n, m). Raises `UsageError` for a number under a logarithm that is not above 0."""

    def stored_map(self, s: Array) -> Array:
        """Compute ψ: (n, d) → (n, m). Raises `UsageError` for a number under a logarithm that is not above 0."""
        return self.query_map(s)

    def link(self, x: Array) -> Array:
        """Compute distances from values of ⊙, elementwise."""
        if self.link_type is None:
            raise NotImplementedError(f"{type(self).__name__} needs a link_type or its own link")
        return LINKS[self.link_type](x)

    def candidate_distances(self, a: Array, s: Array) -> Array:
        """Compute the distances of each query to c candidates: φ of queries (q, m), rows (q · c, d) → (q, c).

        The candidates of a query stand side by side. Same numbers as `between` if `between_uses_maps`.
        """
        q, m = a.shape
        return self.between_mapped(a[:, None, :], self.stored_map(s).reshape((q, s.shape[0] // max(1, q), m)))

    def between_mapped(self, a: Array, b: Array) -> Array:
        """Compute the distances of mapped rows, which broadcast: φ(q) (…, m), ψ(s) (…, m) → (…)."""
        if self.product == "ip":
            return self.link(vecdot(a, b))
        difference = a - b
        return self.link(vecdot(difference, difference))

    def between_unchecked(self, q: Array, s: Array) -> Array:
        return array_namespace(q, s).reshape(self.candidate_distances(self.query_map(q), s), (q.shape[0],))

    def _pairwise(self, q: Array, s: Array) -> Array:
        return self.link(self._products(self.query_map(q), self.stored_map(s)))

    def _products(self, a: Array, b: Array) -> Array:
        """Compute every a ⊙ b: (n, m), (k, m) → (n, k)."""
        xp = array_namespace(a, b)
        inner = a @ xp.matrix_transpose(b)
        if self.product == "ip":
            return inner
        squares = xp.sum(a * a, axis=1)[:, None] + xp.sum(b * b, axis=1)[None, :]
        return positive_part(squares - 2 * inner)

    def _nearest(self, q: Array, s: Array, k: int) -> tuple[Array, Array]:
        a, b = self.query_map(q), self.stored_map(s)
        if self.maps_are_costly:
            return nearest_by_product(a, b, k, self.between_mapped, a, b, self.product)
        return nearest_by_product(q, s, k, self.between_unchecked, a, b, self.product)


class ScannedMetric(Metric):
    """A distance that has to be computed for each pair; `between_unchecked` broadcasts: (…, d), (…, d) → (…)."""

    search: ClassVar[Search] = "scan"

    def _pairwise(self, q: Array, s: Array) -> Array:
        xp = array_namespace(q, s)
        if not q.shape[0] or not s.shape[0]:
            return q @ xp.matrix_transpose(s)
        columns = min(s.shape[0], max(1, BLOCK // max(1, s.shape[1])))
        rows = max(1, BLOCK // (columns * max(1, s.shape[1])))
        bands = []
        for i in range(0, q.shape[0], rows):
            band = [
                self.between_unchecked(q[i : i + rows, None], s[None, j : j + columns])
                for j in range(0, s.shape[0], columns)
            ]
            bands.append(xp.concat(band, axis=1))
        return xp.concat(bands, axis=0)

    def _nearest(self, q: Array, s: Array, k: int) -> tuple[Array, Array]:
        return nearest_by_scan(q, s, k, self._pairwise, self.between_unchecked)


class BoundedMetric(ScannedMetric):
    """A scanned distance d that a squared mapped distance b bounds: b ≤ c · d and d ≤ C · b.

    A row with b above c · C times the k-th smallest b is none of the k nearest by d, so that only the others are
    computed. `bound` is b, with the product "l2sq" and the link "identity"; `stretch` is c · C.
    """

    search = "bound"
    bound: ClassVar[MappedMetric]
    stretch: ClassVar[float]

    def _nearest(self, q: Array, s: Array, k: int) -> tuple[Array, Array]:
        return nearest_by_product(
            *(q, s, k, self.between_unchecked),
            *(self.bound.query_map(q), self.bound.stored_map(s), self.bound.product),
            stretch=self.stretch,
            pairwise=self._pairwise,
        )
