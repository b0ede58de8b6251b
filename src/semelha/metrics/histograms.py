"""Distances between histograms whose map is the square root: Matusita, Hellinger and Bhattacharyya.

A histogram is a row of numbers of 0 or more that sum to 1. BC = Σ √(qᵢ sᵢ) is the Bhattacharyya coefficient, a
similarity: 1 for equal histograms, 0 for histograms that share no bin. As a distance it is 1 − BC (`SquaredHellinger`)
or −ln BC (`Bhattacharyya`).
"""

from __future__ import annotations

import math
from typing import ClassVar

from semelha.metrics.array_math import array_namespace, positive_part, safe_sqrt
from semelha.metrics.base import Array
from semelha.metrics.mapped import MappedMetric
from semelha.metrics.nearest import Product


class _SqrtMapped(MappedMetric):
    """A metric both of whose maps are √."""

    domain = "histograms"
    has_root_maps = True
    product: ClassVar[Product] = "l2sq"

    def query_map(self, q: Array) -> Array:
        return safe_sqrt(q)


class Matusita(_SqrtMapped):
    """‖√q − √s‖₂ = √(2 − 2 BC), from 0 to √2, with the outer root. A metric.

    Matusita (Annals of Mathematical Statistics 26, 1955). Some authors omit the outer root.
    """

    name = "matusita"
    has_triangle_inequality = True
    link_type = "sqrt"
    max_distance = math.sqrt(2)


class SquaredMatusita(_SqrtMapped):
    """‖√q − √s‖₂² = 2 − 2 BC, from 0 to 2. Symmetric; the triangle inequality does not hold."""

    name = "squared-matusita"
    link_type = "identity"
    max_distance = 2.0


class Hellinger(_SqrtMapped):
    """‖√q − √s‖₂ / √2 = √(1 − BC), from 0 to 1. A metric. Hellinger (Journal für Mathematik 136, 1909)."""

    name = "hellinger"
    has_triangle_inequality = True
    max_distance = 1.0

    def link(self, x: Array) -> Array:
        return safe_sqrt(x / 2)


class SquaredHellinger(_SqrtMapped):
    """1 − BC, from 0 to 1: the Bhattacharyya coefficient as a distance. Symmetric; no triangle inequality."""

    name = "squared-hellinger"
    max_distance = 1.0

    def link(self, x: Array) -> Array:
        return x / 2


class Bhattacharyya(_SqrtMapped):
    """−ln BC, from 0 to infinity (no bin is shared). Symmetric; the triangle inequality does not hold.

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
    """Compute BC = Σ √(qᵢ sᵢ) of every q and every s, a similarity from 0 to 1: (n, d), (m, d) → (n, m).

    Raises
    ------
    UsageError
        A row is not a histogram.
    """
    q, s = Bhattacharyya().as_checked_rows(q, s)
    return safe_sqrt(q) @ array_namespace(q, s).matrix_transpose(safe_sqrt(s))
