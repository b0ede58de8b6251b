"""Distances between Gaussian distributions: Kullback–Leibler, Bhattacharyya and Matusita.

A Gaussian over d variables is one row of d (d + 3) / 2 numbers: its mean, then the lower triangle of its covariance,
row by row (`pack_gaussians`, `unpack_gaussians`). Such rows are stored and searched like any other vectors.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
from array_api_compat import device

from semelha.errors import UsageError
from semelha.metrics.array_math import array_namespace, detached, positive_part, safe_sqrt
from semelha.metrics.base import Array, Metric
from semelha.metrics.checks import check_finite, largest_squarable
from semelha.metrics.mapped import MappedMetric, ScannedMetric


def pack_gaussians(means: Array, covariances: Array) -> Array:
    """Pack means (n, d) and symmetric covariances (n, d, d) into rows: (n, d (d + 3) / 2).

    Raises `UsageError` if the shapes do not match, or a covariance is not symmetric.
    """
    xp = array_namespace(means, covariances)
    n, d = means.shape if means.ndim == 2 else (-1, -1)
    if n < 0 or covariances.shape != (n, d, d):
        raise UsageError(
            f"means {tuple(means.shape)} and covariances {tuple(covariances.shape)} do not match: "
            "they must be (n, d) and (n, d, d)"
        )
    gap = xp.abs(covariances - xp.matrix_transpose(covariances))
    wrong = xp.reshape(gap, (n, -1)) > 1e-6 * xp.max(xp.abs(xp.reshape(covariances, (n, -1))), axis=1, keepdims=True)
    if bool(xp.any(wrong)):
        row = int(xp.argmax(xp.astype(xp.any(wrong, axis=1), xp.int8)))
        raise UsageError(f"the covariance of row {row} is not symmetric")
    triangle = xp.asarray(np.ravel_multi_index(np.tril_indices(d), (d, d)), device=device(means))
    return xp.concat([means, xp.take(xp.reshape(covariances, (n, d * d)), triangle, axis=1)], axis=1)


def unpack_gaussians(x: Array) -> tuple[Array, Array]:
    """Unpack rows (…, d (d + 3) / 2) into means (…, d) and covariances (…, d, d).

    Raises `UsageError` if the length of the rows is not d (d + 3) / 2 for a whole d.
    """
    xp = array_namespace(x)
    d = _dimension(x.shape[-1])
    place = np.zeros((d, d), np.int64)
    lower = np.tril_indices(d)
    place[lower] = np.arange(len(lower[0]))
    place = np.maximum(place, place.T)
    whole = xp.take(x, xp.asarray(d + place.reshape(-1), device=device(x)), axis=-1)
    return x[..., :d], xp.reshape(whole, (*x.shape[:-1], d, d))


LARGEST = 1e75
"""Largest mean, covariance and precision: the square of a product of two of them is finite in float64."""


class _Gaussian(Metric):
    """A distance between packed Gaussians."""

    domain = "gaussians"

    def as_checked_rows(self, q: Array, s: Array, check: bool = True) -> tuple[Array, Array]:
        """As `Metric.as_checked_rows`; half precision becomes float32, because linear algebra has no other."""
        xp = array_namespace(q, s)
        wide = [x if not xp.isdtype(x.dtype, "real floating") or xp.finfo(x.dtype).bits >= 32
                else xp.astype(x, xp.float32) for x in (q, s)]  # fmt: skip
        return super().as_checked_rows(wide[0], wide[0] if s is q else wide[1], check)

    def check(self, x: Array, what: str = "the array") -> None:
        check_finite(x, what)
        _, covariances = unpack_gaussians(detached(x))
        xp = array_namespace(x)
        if not x.shape[0]:
            return
        most = min(LARGEST, largest_squarable(x))
        if not bool(xp.max(xp.abs(detached(x))) <= most):
            raise UsageError(f"a number of {what} is above {most:g}, too large for Gaussians: scale the numbers down")
        try:
            factors = xp.linalg.cholesky(covariances)
            sound = xp.linalg.diagonal(factors) >= most**-0.5  # False for NaN
            wrong = ~xp.all(sound, axis=1)
        except (ValueError, RuntimeError):  # NumPy's and torch's LinAlgError, which do not name the row
            least = xp.linalg.eigvalsh(covariances)[:, 0]
            wrong = least <= xp.clip(xp.min(least), min=0)  # below 0, or the least of all by rounding
        if bool(xp.any(wrong)):
            row = int(xp.argmax(xp.astype(wrong, xp.int8)))
            least = float(xp.linalg.eigvalsh(covariances[row])[0])
            must = "it must be positive definite" if least <= 0 else f"it is too small for {x.dtype}"
            raise UsageError(
                f"the covariance of row {row} of {what} has the eigenvalue {least:g}: {must}; "
                "add a little to its diagonal"
            )


class GaussianKullbackLeibler(_Gaussian, MappedMetric):
    """KL(q‖s) = ½ [tr Σₛ⁻¹Σ_q + (μ_q − μₛ)ᵀ Σₛ⁻¹ (μ_q − μₛ) − d + ln det Σₛ / det Σ_q]. Not symmetric.

    Kullback (Information Theory and Statistics, 1959, chapter 9). The maps are the mean of the sufficient
    statistics of q, (μ_q, Σ_q + μ_q μ_qᵀ), and the natural parameters of s, (Σₛ⁻¹ μₛ, −½ Σₛ⁻¹).
    """

    name = "gaussian-kullback-leibler"
    is_symmetric = False
    product = "ip"
    link_type = "negative"
    between_uses_maps = False

    def query_map(self, q: Array) -> Array:
        xp = array_namespace(q)
        mean, covariance = unpack_gaussians(q)
        d = mean.shape[1]
        second = covariance + mean[:, :, None] * mean[:, None, :]
        own = (d + _log_determinant(covariance)) / 2
        return xp.concat([mean, xp.reshape(second, (-1, d * d)), xp.ones_like(own[:, None]), own[:, None]], axis=1)

    def stored_map(self, s: Array) -> Array:
        xp = array_namespace(s)
        mean, covariance = unpack_gaussians(s)
        d = mean.shape[1]
        precision = xp.linalg.inv(covariance)
        linear = (precision @ mean[:, :, None])[:, :, 0]
        own = -(xp.sum(mean * linear, axis=1) + _log_determinant(covariance)) / 2
        quadratic = xp.reshape(precision, (-1, d * d)) / -2
        return xp.concat([linear, quadratic, own[:, None], xp.ones_like(own[:, None])], axis=1)

    def between_unchecked(self, q: Array, s: Array) -> Array:
        xp = array_namespace(q, s)
        (m, v), (n, w) = unpack_gaussians(q), unpack_gaussians(s)
        ratio = xp.linalg.solve(w, v)
        trace = xp.linalg.trace(ratio)
        logarithm = _log_determinant(w) - _log_determinant(v)
        return positive_part((trace - m.shape[1] + _squared_mahalanobis(m - n, w) + logarithm) / 2)


class _BhattacharyyaBased(_Gaussian, ScannedMetric):
    """A function of D_B = ⅛ Δᵀ Σ⁻¹ Δ + ½ ln (det Σ / √(det Σ_q det Σₛ)), Δ = μ_q − μₛ, Σ = (Σ_q + Σₛ) / 2."""

    def _bhattacharyya(self, q: Array, s: Array) -> Array:
        (m, v), (n, w) = unpack_gaussians(q), unpack_gaussians(s)
        middle = (v + w) / 2
        logarithms = _log_determinant(middle) - (_log_determinant(v) + _log_determinant(w)) / 2
        return positive_part(_squared_mahalanobis(m - n, middle) / 8 + logarithms / 2)


class GaussianBhattacharyya(_BhattacharyyaBased):
    """−ln ∫ √(q s), the Bhattacharyya distance D_B of two Gaussians. Symmetric; no triangle inequality.

    Kailath (IEEE Transactions on Communication Technology 15, 1967); Fukunaga
    (Introduction to Statistical Pattern Recognition, 1990, equation 3.152). If all covariances are one Σ, it is ⅛ of
    the squared `Mahalanobis(M=Σ⁻¹)` of the means, which has maps; in general it has none.
    """

    name = "gaussian-bhattacharyya"

    def between_unchecked(self, q: Array, s: Array) -> Array:
        return self._bhattacharyya(q, s)


class GaussianMatusita(_BhattacharyyaBased):
    """√(∫ (√q − √s)²) = √(2 − 2 exp(−D_B)), from 0 to √2, with the outer root. A metric.

    Matusita (Annals of Mathematical Statistics 26, 1955), with D_B of `GaussianBhattacharyya`.
    """

    name = "gaussian-matusita"
    has_triangle_inequality = True

    def between_unchecked(self, q: Array, s: Array) -> Array:
        return safe_sqrt(-2 * array_namespace(q, s).expm1(-self._bhattacharyya(q, s)))


def _dimension(length: int) -> int:
    """Solve length = d (d + 3) / 2 for d. Raises `UsageError` if there is no whole d."""
    d = (isqrt(9 + 8 * length) - 3) // 2
    if d < 1 or d * (d + 3) // 2 != length:
        raise UsageError(
            f"a Gaussian over d variables is a row of d (d + 3) / 2 numbers, not {length}: call pack_gaussians"
        )
    return d


def _log_determinant(covariance: Array) -> Array:
    """ln det Σ: (…, d, d) → (…)."""
    xp = array_namespace(covariance)
    found: Any = xp.linalg.slogdet(covariance)
    return found[1]


def _squared_mahalanobis(difference: Array, covariance: Array) -> Array:
    """ΔᵀΣ⁻¹Δ: (…, d), (…, d, d) → (…)."""
    xp = array_namespace(difference, covariance)
    solved = xp.linalg.solve(covariance, difference[..., None])[..., 0]
    return xp.sum(difference * solved, axis=-1)
