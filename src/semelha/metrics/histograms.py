"""Distances between histograms: Matusita, Hellinger, Bhattacharyya, and divergences in nats.

A histogram is a row of numbers of 0 or more that sum to 1. BC = Σ √(qᵢ sᵢ) is the Bhattacharyya coefficient, a
similarity: 1 for equal histograms, 0 for histograms that share no bin. As a distance it is 1 − BC (`SquaredHellinger`)
or −ln BC (`Bhattacharyya`).

In the divergences, 0 · ln 0 is 0 and p ln(p / 0) is infinite by definition: `pairwise` and `between` follow it. The
maps cannot, because 0 · (−∞) is NaN in a matrix product: they require bins above 0 under a logarithm
(`additive_smoothing`).
"""

from __future__ import annotations

from abc import abstractmethod
from math import log as ln
from math import sqrt
from typing import ClassVar

from semelha.metrics.array_math import array_namespace, positive_part, relative_entropy, safe_log, safe_sqrt
from semelha.metrics.base import Array
from semelha.metrics.checks import check_positive
from semelha.metrics.mapped import BoundedMetric, MappedMetric
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
    max_distance = sqrt(2)


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

    Raises `UsageError` for a row that is not a histogram.
    """
    q, s = Bhattacharyya().as_checked_rows(q, s)
    return safe_sqrt(q) @ array_namespace(q, s).matrix_transpose(safe_sqrt(s))


class _RelativeEntropy(MappedMetric):
    """A sum of relative entropies, with −f(q, s) = ⟨φ(q), ψ(s)⟩.

    It has the terms q ln(q / s) if `query_over_stored`, and s ln(s / q) if `stored_over_query`.
    """

    domain = "histograms"
    product = "ip"
    link_type = "negative"
    between_uses_maps = False
    query_over_stored: ClassVar[bool] = False
    stored_over_query: ClassVar[bool] = False

    @abstractmethod
    def _phi(self, q: Array) -> Array:
        """Compute φ with 0 in place of ln 0."""

    @abstractmethod
    def _psi(self, s: Array) -> Array:
        """Compute ψ with 0 in place of ln 0."""

    def query_map(self, q: Array) -> Array:
        if self.stored_over_query:
            check_positive(q, "the queries")
        return self._phi(q)

    def stored_map(self, s: Array) -> Array:
        if self.query_over_stored:
            check_positive(s, "the stored rows")
        return self._psi(s)

    def _pairwise(self, q: Array, s: Array) -> Array:
        xp = array_namespace(q, s)
        distances = self.link(self._products(self._phi(q), self._psi(s)))
        infinite = []  # (n, m) each: number of bins that have an infinite term
        if self.query_over_stored and bool(xp.any(s == 0)):
            infinite.append(_is_filled(q) @ xp.matrix_transpose(1 - _is_filled(s)))
        if self.stored_over_query and bool(xp.any(q == 0)):
            infinite.append((1 - _is_filled(q)) @ xp.matrix_transpose(_is_filled(s)))
        for bins in infinite:
            distances = xp.where(bins > 0, xp.full_like(distances, float("inf")), distances)
        return distances

    def between_unchecked(self, q: Array, s: Array) -> Array:
        xp = array_namespace(q, s)
        terms = []
        if self.query_over_stored:
            terms.append(relative_entropy(q, s))
        if self.stored_over_query:
            terms.append(relative_entropy(s, q))
        return positive_part(xp.sum(sum(terms[1:], terms[0]), axis=1))


class KullbackLeibler(_RelativeEntropy):
    """KL(q‖s) = Σ qᵢ ln(qᵢ / sᵢ), 0 or more; infinite if a bin is empty in s but not in q. Not symmetric.

    Kullback & Leibler (Annals of Mathematical Statistics 22, 1951). Infinite distances cannot be ranked: use
    `additive_smoothing`, which `nearest` and an index require of the stored histograms.
    """

    name = "kullback-leibler"
    is_symmetric = False
    query_over_stored = True

    def _phi(self, q: Array) -> Array:
        return _concatenate(q, -_negative_entropy(q))

    def _psi(self, s: Array) -> Array:
        return _concatenate(safe_log(s), array_namespace(s).ones_like(s[:, :1]))


class ReverseKullbackLeibler(_RelativeEntropy):
    """KL(s‖q) = Σ sᵢ ln(sᵢ / qᵢ): the other direction of `KullbackLeibler`. Not symmetric."""

    name = "reverse-kullback-leibler"
    is_symmetric = False
    stored_over_query = True

    def _phi(self, q: Array) -> Array:
        return _concatenate(safe_log(q), -array_namespace(q).ones_like(q[:, :1]))

    def _psi(self, s: Array) -> Array:
        return _concatenate(s, _negative_entropy(s))


class Jeffreys(_RelativeEntropy):
    """KL(q‖s) + KL(s‖q) = Σ (qᵢ − sᵢ) ln(qᵢ / sᵢ), the sum, not its half. Symmetric; no triangle inequality.

    Jeffreys (Proceedings of the Royal Society A 186, 1946).
    """

    name = "jeffreys"
    query_over_stored = True
    stored_over_query = True

    def _phi(self, q: Array) -> Array:
        one = array_namespace(q).ones_like(q[:, :1])
        return _concatenate(q, safe_log(q), -one, -_negative_entropy(q))

    def _psi(self, s: Array) -> Array:
        one = array_namespace(s).ones_like(s[:, :1])
        return _concatenate(safe_log(s), s, _negative_entropy(s), one)


class JensenShannon(BoundedMetric):
    """½ KL(q‖m) + ½ KL(s‖m) with m = (q + s) / 2, from 0 to ln 2. Symmetric; its square root is a metric.

    Lin (IEEE Transactions on Information Theory 37, 1991, equation 4.1, both weights ½). In each bin it lies between
    ln 2 / 2 (if one is empty) and ½ (if they are equal) of (√qᵢ − √sᵢ)²: that bounds the search.
    """

    name = "jensen-shannon"
    domain = "histograms"
    max_distance = ln(2)
    bound = SquaredMatusita()
    stretch = 1 / ln(2)

    def between_unchecked(self, q: Array, s: Array) -> Array:
        return _jensen_shannon(q, s)


class JensenShannonDistance(BoundedMetric):
    """The square root of the Jensen–Shannon divergence, from 0 to √ln 2. A metric.

    Endres & Schindelin (IEEE Transactions on Information Theory 49, 2003). With natural logarithms, as
    `scipy.spatial.distance.jensenshannon` without `base`.
    """

    name = "jensen-shannon-distance"
    domain = "histograms"
    max_distance = sqrt(ln(2))
    has_triangle_inequality = True
    bound = SquaredMatusita()
    stretch = 1 / ln(2)

    def between_unchecked(self, q: Array, s: Array) -> Array:
        return safe_sqrt(_jensen_shannon(q, s))


class ChiSquare(BoundedMetric):
    """½ Σ (qᵢ − sᵢ)² / (qᵢ + sᵢ), from 0 to 1; 0 / 0 is 0. Symmetric; the triangle inequality does not hold.

    As in computer vision (Puzicha et al., CVPR 1997; Zhang et al., IJCV 73, 2007).
    scikit-learn's `additive_chi2_kernel` is −2 times it, OpenCV's HISTCMP_CHISQR_ALT 4 times. It lies between ½ and 1
    of Σ (√qᵢ − √sᵢ)², since qᵢ + sᵢ ≤ (√qᵢ + √sᵢ)² ≤ 2 (qᵢ + sᵢ): that bounds the search.
    """

    name = "chi-square"
    domain = "histograms"
    max_distance = 1.0
    bound = SquaredMatusita()
    stretch = 2.0

    def between_unchecked(self, q: Array, s: Array) -> Array:
        xp = array_namespace(q, s)
        difference = q - s
        never_zero = q + s + xp.finfo(q.dtype).smallest_normal  # which rounding removes from any other sum
        return xp.sum(difference * difference / never_zero, axis=-1) / 2


def _jensen_shannon(q: Array, s: Array) -> Array:
    middle = (q + s) / 2
    terms = relative_entropy(q, middle) + relative_entropy(s, middle)
    return positive_part(array_namespace(q, s).sum(terms, axis=-1) / 2)


def _negative_entropy(p: Array) -> Array:
    """Σ p ln p: (n, d) → (n, 1)."""
    return array_namespace(p).sum(p * safe_log(p), axis=1, keepdims=True)


def _is_filled(p: Array) -> Array:
    """1 if a bin is above 0, else 0: (n, d)."""
    return array_namespace(p).astype(p != 0, p.dtype)


def _concatenate(*columns: Array) -> Array:
    return array_namespace(*columns).concat(columns, axis=1)
