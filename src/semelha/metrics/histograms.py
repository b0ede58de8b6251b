"""Distances between histograms that are Euclidean geometry of their roots: Matusita, Hellinger, Bhattacharyya.

A histogram is a row of numbers of 0 or more that sum to 1. BC = Σ √(qᵢ sᵢ) is the Bhattacharyya coefficient, a
similarity: 1 for equal histograms, 0 for those that share no bin. As a distance it is 1 − BC (`SquaredHellinger`) or
−ln BC (`Bhattacharyya`).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from semelha.metrics.base import Array
from semelha.metrics.mapped import MappedMetric
from semelha.metrics.namespace import array_namespace
from semelha.metrics.safe import positive_part, root


class _Roots(MappedMetric):
    """A metric whose two maps are √."""

    domain = "histograms"
    product: ClassVar[Literal["l2sq", "ip"]] = "l2sq"
    one_map = True

    def query_map(self, q: Array) -> Array:
        return root(q)

    def stored_map(self, s: Array) -> Array:
        return root(s)


class Matusita(_Roots):
    """‖√q − √s‖₂ = √(2 − 2 BC), from 0 to √2, with the root. A metric.

    Matusita (Annals of Mathematical Statistics 26, 1955). Some authors leave out the root.
    """

    name = "matusita"
    triangle = True

    def link(self, x: Array) -> Array:
        return root(x)


class SquaredMatusita(_Roots):
    """‖√q − √s‖₂² = 2 − 2 BC, from 0 to 2: Matusita's distance without the root. Symmetric; no triangle inequality."""

    name = "squared-matusita"

    def link(self, x: Array) -> Array:
        return x


class Hellinger(_Roots):
    """‖√q − √s‖₂ / √2 = √(1 − BC), from 0 to 1. A metric. Hellinger (Journal für Mathematik 136, 1909)."""

    name = "hellinger"
    triangle = True

    def link(self, x: Array) -> Array:
        return root(x / 2)


class SquaredHellinger(_Roots):
    """1 − BC, from 0 to 1: the Bhattacharyya coefficient as a distance. Symmetric; no triangle inequality."""

    name = "squared-hellinger"

    def link(self, x: Array) -> Array:
        return x / 2


class Bhattacharyya(_Roots):
    """−ln BC, from 0 to infinity where no bin is shared. Symmetric; the triangle inequality does not hold.

    Bhattacharyya (Bulletin of the Calcutta Mathematical Society 35, 1943); Kailath (IEEE Transactions on Communication
    Technology 15, 1967).
    """

    name = "bhattacharyya"
    product = "ip"

    def link(self, x: Array) -> Array:
        xp = array_namespace(x)
        apart = x == 0
        distances = positive_part(-xp.log(xp.where(apart, xp.ones_like(x), x)))
        return xp.where(apart, xp.full_like(distances, float("inf")), distances)


def bhattacharyya_coefficient(q: Array, s: Array) -> Array:
    """BC = Σ √(qᵢ sᵢ) of every q and every s, a similarity from 0 to 1: (n, d), (m, d) → (n, m).

    Raises
    ------
    UsageError
        A row is no histogram.
    """
    q, s = Bhattacharyya().ready(q, s)
    return root(q) @ array_namespace(q, s).matrix_transpose(root(s))
