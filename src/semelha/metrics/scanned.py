"""Metrics without an exact finite map: computed pair by pair, in blocks."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from semelha.metrics.base import Array, Metric, Search
from semelha.metrics.mapped import MappedMetric
from semelha.metrics.namespace import array_namespace
from semelha.metrics.search import filtered, scanned

BLOCK = 1 << 16  # numbers of a block of pairs: what stays in a core's cache


class ScannedMetric(Metric):
    """A distance that has to be computed for each pair."""

    exact_map = False
    search: ClassVar[Search] = "scan"

    @abstractmethod
    def _pairs(self, q: Array, s: Array) -> Array:
        """Distances of rows that are broadcast: (…, d), (…, d) → (…)."""

    def _each(self, q: Array, s: Array) -> Array:
        return self._pairs(q, s)

    def _all(self, q: Array, s: Array) -> Array:
        xp = array_namespace(q, s)
        if not q.shape[0] or not s.shape[0]:
            return q @ xp.matrix_transpose(s)
        wide = min(s.shape[0], max(1, BLOCK // max(1, s.shape[1])))
        high = max(1, BLOCK // (wide * max(1, s.shape[1])))
        lines = []
        for i in range(0, q.shape[0], high):
            line = [self._pairs(q[i : i + high, None], s[None, j : j + wide]) for j in range(0, s.shape[0], wide)]
            lines.append(xp.concat(line, axis=1))
        return xp.concat(lines, axis=0)

    def _search(self, q: Array, s: Array, k: int) -> tuple[Array, Array]:
        return scanned(q, s, k, self._all, self._each)


class BoundedMetric(ScannedMetric):
    """A scanned metric d that a mapped one b with squared distances bounds: b ≤ c · d and d ≤ C · b.

    A row with b above c · C times the k-th smallest b is none of the k nearest by d, so that only the others are
    computed.

    Attributes
    ----------
    bound : MappedMetric
        b, with the product "l2sq" and the link x.
    stretch : float
        c · C.
    """

    search = "bound"
    bound: ClassVar[MappedMetric]
    stretch: ClassVar[float]

    def _search(self, q: Array, s: Array, k: int) -> tuple[Array, Array]:
        return filtered(self.bound, q, s, k, self._each, stretch=self.stretch, every=self._all)
