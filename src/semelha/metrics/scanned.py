"""Metrics without exact maps: distances are computed pair by pair, in blocks."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from semelha.metrics.array_math import array_namespace
from semelha.metrics.base import Array, Metric, Search
from semelha.metrics.mapped import MappedMetric
from semelha.metrics.nearest import nearest_by_product, nearest_by_scan

BLOCK = 1 << 16  # numbers of a block of pairs that fit in a core's cache


class ScannedMetric(Metric):
    """A distance that has to be computed for each pair."""

    search: ClassVar[Search] = "scan"

    @abstractmethod
    def between_unchecked(self, q: Array, s: Array) -> Array:
        """Compute the distances of valid rows, with broadcasting: (…, d), (…, d) → (…)."""

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
