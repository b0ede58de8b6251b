"""Metrics between vectors: Euclidean and cosine distance, and those that linear learners learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import is_numpy_array
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.metrics.array_math import array_namespace, convert_like, detached, safe_sqrt, vecdot
from semelha.metrics.base import Array
from semelha.metrics.checks import largest_squarable
from semelha.metrics.mapped import MappedMetric

MAX_ASYMMETRY = 1e-8  # relative to the largest number of M: from products in another order
MAX_NEGATIVE = 1e-10  # relative to the largest eigenvalue

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
    """1 − ⟨q, s⟩ / (‖q‖ ‖s‖), from 0 to 2. A vector of norm 0 has distance 1 to every vector, itself included."""

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
        """As in every metric with maps, but products are divided by the norms of s: cheaper than s before."""
        b = s.reshape((len(a), s.shape[0] // max(1, len(a)), s.shape[1]))
        norms = safe_sqrt(vecdot(b, b))
        return self.link(vecdot(a[:, None, :], b) / array_namespace(b).where(norms > 0, norms, 1))

    def chord_length(self, distance: Array) -> Array:
        return safe_sqrt(2 * distance)


class Mahalanobis(MappedMetric):
    """√((q − s)ᵀ M (q − s)) = ‖L(q − s)‖₂ with M = LᵀL ⪰ 0. Symmetric; the triangle inequality holds.

    Mahalanobis (Proceedings of the National Institute of Sciences of India, 1936), who has the square of it, with M the
    inverse of a covariance. If M is singular, some rows that differ have distance 0.

    Parameters
    ----------
    M : (d, d), optional
        Symmetric, with no eigenvalue below 0. L is then computed from its eigenvectors, in float64. Pass either M or L.
    L : (m, d), optional
        A tensor keeps its gradient.

    Raises
    ------
    UsageError
        M is not symmetric or has an eigenvalue below 0; a number is not finite; both or none of M and L were passed.
    """

    name = "mahalanobis"
    has_triangle_inequality = True
    product = "l2sq"
    link_type = "sqrt"
    maps_are_costly = True
    array_names = ("L",)

    def __init__(self, M: Any = None, *, L: Any = None) -> None:
        if (M is None) == (L is None):
            raise UsageError("Mahalanobis takes either M or L: pass one of the two")
        self.L: Array = _as_matrix(L, "L") if M is None else matrix_root(M)

    def __repr__(self) -> str:
        return f"Mahalanobis(L=<{self.L.shape[0]} × {self.L.shape[1]}>)"

    @property
    def M(self) -> Array:
        """LᵀL, (d, d)."""
        return array_namespace(self.L).matrix_transpose(self.L) @ self.L

    def check(self, x: Array, what: str = "the array") -> None:
        if x.shape[1] != self.L.shape[1]:
            raise UsageError(f"the rows of {what} have {x.shape[1]} numbers, and L takes {self.L.shape[1]}")
        super().check(x, what)
        most = largest_squarable(x)
        if 0 not in x.shape and _largest(x) > most / (_largest(self.L) * x.shape[1] + 1):
            raise UsageError(f"the product of L and {what} is too large for {x.dtype}: scale one of them down")

    def query_map(self, q: Array) -> Array:
        return q @ array_namespace(q).matrix_transpose(convert_like(q, self.L))


def _largest(x: Array) -> float:
    return float(array_namespace(x).max(abs(detached(x))))


def matrix_root(M: Any) -> NDArray[np.float64]:
    """Compute L with LᵀL = M from the eigenvectors of M: (d, d) float64, largest eigenvalue first.

    Raises `UsageError` unless M is square, symmetric and positive semi-definite.
    """
    matrix = np.asarray(_as_matrix(M, "M"), np.float64)
    if matrix.shape[0] != matrix.shape[1]:
        raise UsageError(f"M has the shape {matrix.shape}: it must be square, or be passed as L")
    gap = np.abs(matrix - matrix.T)
    if gap.max() > MAX_ASYMMETRY * np.abs(matrix).max():
        i, j = (int(place) for place in np.unravel_index(gap.argmax(), gap.shape))
        raise UsageError(f"M is not symmetric: M[{i}, {j}] is {matrix[i, j]:g} and M[{j}, {i}] is {matrix[j, i]:g}")
    values, directions = np.linalg.eigh((matrix + matrix.T) / 2)
    if values[0] < -MAX_NEGATIVE * max(abs(values[0]), abs(values[-1])):
        raise UsageError(f"M has the eigenvalue {values[0]:g}: it must be positive semi-definite, with none below 0")
    L: NDArray[np.float64] = (np.sqrt(np.clip(values, 0, None)) * directions).T[::-1].copy()
    return L


def _as_matrix(value: Any, name: str) -> Array:
    """Convert to a matrix of finite floating-point numbers; tensors stay tensors. Raises `UsageError`."""
    try:
        xp = array_namespace(value)
    except TypeError:
        value = np.asarray(value)
        xp = array_namespace(value)
    if value.ndim != 2 or 0 in value.shape:
        raise UsageError(f"{name} has the shape {tuple(value.shape)}: it must be a matrix")
    if is_numpy_array(value) and value.dtype.kind not in "biuf":
        raise UsageError(f"{name} has the dtype {value.dtype}: it must be real numbers")
    if not xp.isdtype(value.dtype, "real floating"):
        value = xp.astype(value, xp.float64)
    if not bool(xp.all(xp.isfinite(value))):
        raise UsageError(f"{name} has a number that is not finite")
    return value


class Agreement(MappedMetric):
    """Σ α [q and s lie on different sides of a threshold]: a weighted Hamming distance.

    Each threshold is one of a feature. The maps are √α · (±1), +1 if the feature is at most the threshold. Symmetric;
    the triangle inequality holds. The gradient is 0 everywhere, so nothing can be learned through it.
    Shakhnarovich, "Learning task-specific similarity", PhD thesis, MIT 2005, chapter 3, who uses the similarity
    Σ α − 2 f(q, s).

    Parameters
    ----------
    features : (t,) whole numbers
        Column of each threshold's feature; a column may occur more than once.
    thresholds : (t,)
    weights : (t,), none below 0
        α.

    Raises
    ------
    UsageError
        Arrays of other shapes, a number that is not finite, a feature that is not a column, a weight below 0.
    """

    name = "agreement"
    has_triangle_inequality = True
    product = "l2sq"
    maps_are_costly = True
    array_names = ("features", "thresholds", "weights")

    def __init__(self, *, features: Any, thresholds: Any, weights: Any) -> None:
        self.features, self.thresholds, self.weights = (
            np.asarray(array, np.float64) for array in (features, thresholds, weights)
        )
        shape = self.features.shape
        if len(shape) != 1 or not shape[0] or self.thresholds.shape != shape or self.weights.shape != shape:
            raise UsageError("features, thresholds and weights must be of one shape (t,), with t at least 1")
        if not all(np.isfinite(array).all() for array in (self.features, self.thresholds, self.weights)):
            raise UsageError("features, thresholds and weights must be finite")
        if (self.features < 0).any() or (self.features % 1 != 0).any():
            raise UsageError("features must be columns: whole numbers from 0 on")
        if (self.weights < 0).any():
            raise UsageError(f"weights must be 0 or more, and one is {self.weights.min():g}")

    def __repr__(self) -> str:
        return f"Agreement(<{self.features.shape[0]} thresholds>)"

    def check(self, x: Array, what: str = "the array") -> None:
        last = int(self.features.max())
        if x.shape[1] <= last:
            raise UsageError(f"the rows of {what} have {x.shape[1]} numbers, and a threshold is of column {last}")
        super().check(x, what)

    def query_map(self, q: Array) -> Array:
        xp = array_namespace(q)
        columns = xp.astype(xp.round(convert_like(q, self.features)), xp.int64)
        features = xp.take(q, columns, axis=1)  # (n, t)
        one = xp.ones_like(features)
        sides = xp.where(features <= convert_like(q, self.thresholds), one, -one) + 0 * features  # has a gradient: 0
        return sides * convert_like(q, self.weights) ** 0.5

    def link(self, x: Array) -> Array:
        return x / 4
