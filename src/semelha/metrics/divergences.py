"""Divergences with a logarithm between histograms, and chi-square. Natural logarithms: nats, not bits.

0 · ln 0 is 0, and a divergence is infinite where it has p ln(p / 0): `pairwise` and `between` honor that. The maps
cannot, for 0 · (−∞) is no number in a matrix product: they demand bins above 0 (`smoothed`) where a logarithm is taken.
"""

from __future__ import annotations

from abc import abstractmethod
from math import log as ln
from typing import ClassVar

from semelha.metrics.base import Array
from semelha.metrics.checks import check_positive
from semelha.metrics.histograms import SquaredMatusita
from semelha.metrics.mapped import MappedMetric
from semelha.metrics.namespace import array_namespace
from semelha.metrics.safe import log, positive_part, relative_entropy, root
from semelha.metrics.scanned import BoundedMetric


class _Relative(MappedMetric):
    """A divergence with −f(q, s) = ⟨φ(q), ψ(s)⟩, infinite where one side has something and the other nothing.

    Attributes
    ----------
    query_over_stored, stored_over_query : bool
        f has q ln(q / s), or s ln(s / q).
    """

    domain = "histograms"
    product = "ip"
    query_over_stored: ClassVar[bool] = False
    stored_over_query: ClassVar[bool] = False

    @abstractmethod
    def _phi(self, q: Array) -> Array:
        """φ with ln 0 left out."""

    @abstractmethod
    def _psi(self, s: Array) -> Array:
        """ψ with ln 0 left out."""

    def query_map(self, q: Array) -> Array:
        if self.stored_over_query:
            check_positive(q, "the queries")
        return self._phi(q)

    def stored_map(self, s: Array) -> Array:
        if self.query_over_stored:
            check_positive(s, "what is stored")
        return self._psi(s)

    def link(self, x: Array) -> Array:
        return positive_part(-x)

    def _all(self, q: Array, s: Array) -> Array:
        xp = array_namespace(q, s)
        distances = self.link(self._products(self._phi(q), self._psi(s)))
        lost = []  # (n, m): how many bins one has and the other has not
        if self.query_over_stored and bool(xp.any(s == 0)):
            lost.append(_held(q) @ xp.matrix_transpose(1 - _held(s)))
        if self.stored_over_query and bool(xp.any(q == 0)):
            lost.append((1 - _held(q)) @ xp.matrix_transpose(_held(s)))
        for bins in lost:
            distances = xp.where(bins > 0, xp.full_like(distances, float("inf")), distances)
        return distances

    each_by_maps = False

    def _each(self, q: Array, s: Array) -> Array:
        xp = array_namespace(q, s)
        terms = []
        if self.query_over_stored:
            terms.append(relative_entropy(q, s))
        if self.stored_over_query:
            terms.append(relative_entropy(s, q))
        return positive_part(xp.sum(sum(terms[1:], terms[0]), axis=1))


class KullbackLeibler(_Relative):
    """KL(q‖s) = Σ qᵢ ln(qᵢ / sᵢ), 0 or more; infinite where q has something and s nothing. Not symmetric.

    Kullback & Leibler (Annals of Mathematical Statistics 22, 1951). Infinite distances mean nothing in a ranking: take
    `smoothed` histograms, as the search by maps demands of what is stored.
    """

    name = "kullback-leibler"
    symmetric = False
    query_over_stored = True

    def _phi(self, q: Array) -> Array:
        return _beside(q, -_entropy_sum(q))

    def _psi(self, s: Array) -> Array:
        return _beside(log(s), array_namespace(s).ones_like(s[:, :1]))


class ReverseKullbackLeibler(_Relative):
    """KL(s‖q) = Σ sᵢ ln(sᵢ / qᵢ): the other direction of `KullbackLeibler`. Not symmetric."""

    name = "reverse-kullback-leibler"
    symmetric = False
    stored_over_query = True

    def _phi(self, q: Array) -> Array:
        return _beside(log(q), -array_namespace(q).ones_like(q[:, :1]))

    def _psi(self, s: Array) -> Array:
        return _beside(s, _entropy_sum(s))


class Jeffreys(_Relative):
    """KL(q‖s) + KL(s‖q) = Σ (qᵢ − sᵢ) ln(qᵢ / sᵢ), the sum, not its half. Symmetric; no triangle inequality.

    Jeffreys (Proceedings of the Royal Society A 186, 1946).
    """

    name = "jeffreys"
    query_over_stored = True
    stored_over_query = True

    def _phi(self, q: Array) -> Array:
        one = array_namespace(q).ones_like(q[:, :1])
        return _beside(q, log(q), -one, -_entropy_sum(q))

    def _psi(self, s: Array) -> Array:
        one = array_namespace(s).ones_like(s[:, :1])
        return _beside(log(s), s, _entropy_sum(s), one)


class JensenShannon(BoundedMetric):
    """½ KL(q‖m) + ½ KL(s‖m) with m = (q + s) / 2, from 0 to ln 2. Symmetric; its root is a metric.

    Lin (IEEE Transactions on Information Theory 37, 1991, equation 4.1, both weights ½). Bin by bin it lies between
    ln 2 / 2 (where one is empty) and ½ (where they are equal) of (√qᵢ − √sᵢ)²: that bounds the search.
    """

    name = "jensen-shannon"
    domain = "histograms"
    bound = SquaredMatusita()
    stretch = 1 / ln(2)

    def _pairs(self, q: Array, s: Array) -> Array:
        return _jensen_shannon(q, s)


class JensenShannonDistance(BoundedMetric):
    """The root of the Jensen–Shannon divergence, from 0 to √ln 2. A metric.

    Endres & Schindelin (IEEE Transactions on Information Theory 49, 2003). With natural logarithms, as
    `scipy.spatial.distance.jensenshannon` without `base`.
    """

    name = "jensen-shannon-distance"
    domain = "histograms"
    triangle = True
    bound = SquaredMatusita()
    stretch = 1 / ln(2)

    def _pairs(self, q: Array, s: Array) -> Array:
        return root(_jensen_shannon(q, s))


class ChiSquare(BoundedMetric):
    """½ Σ (qᵢ − sᵢ)² / (qᵢ + sᵢ), from 0 to 1; 0 / 0 is 0. Symmetric; the triangle inequality does not hold.

    The form of vision (Puzicha et al., CVPR 1997; Zhang et al., IJCV 73, 2007).
    scikit-learn's `additive_chi2_kernel` is −2 times it, OpenCV's HISTCMP_CHISQR_ALT 4 times. It lies between ½ and 1
    of Σ (√qᵢ − √sᵢ)², since qᵢ + sᵢ ≤ (√qᵢ + √sᵢ)² ≤ 2 (qᵢ + sᵢ): that bounds the search.
    """

    name = "chi-square"
    domain = "histograms"
    bound = SquaredMatusita()
    stretch = 2.0

    def _pairs(self, q: Array, s: Array) -> Array:
        xp = array_namespace(q, s)
        difference = q - s
        never_zero = q + s + xp.finfo(q.dtype).smallest_normal  # which is lost in any other sum
        return xp.sum(difference * difference / never_zero, axis=-1) / 2


def _jensen_shannon(q: Array, s: Array) -> Array:
    middle = (q + s) / 2
    terms = relative_entropy(q, middle) + relative_entropy(s, middle)
    return positive_part(array_namespace(q, s).sum(terms, axis=-1) / 2)


def _entropy_sum(p: Array) -> Array:
    """Σ p ln p: (n, d) → (n, 1)."""
    return array_namespace(p).sum(p * log(p), axis=1, keepdims=True)


def _held(p: Array) -> Array:
    """1 where a bin has something, else 0."""
    return array_namespace(p).astype(p != 0, p.dtype)


def _beside(*columns: Array) -> Array:
    return array_namespace(*columns).concat(columns, axis=1)
