"""Mahalanobis distance: what learners of a matrix learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import is_numpy_array
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.metrics.base import Array
from semelha.metrics.checks import plain, squarable
from semelha.metrics.mapped import MappedMetric
from semelha.metrics.namespace import array_namespace
from semelha.metrics.safe import like, root

ASYMMETRY = 1e-8  # of the largest number of M: what products in another order leave behind
NEGATIVE = 1e-10  # of the largest eigenvalue


class Mahalanobis(MappedMetric):
    """√((q − s)ᵀ M (q − s)) = ‖L(q − s)‖₂ with M = LᵀL ⪰ 0. Symmetric; the triangle inequality holds.

    Mahalanobis (Proceedings of the National Institute of Sciences of India, 1936), there with M the inverse of a
    covariance and the square. A singular M gives 0 to some rows that differ.

    Parameters
    ----------
    M : (d, d), optional
        Symmetric, no eigenvalue below 0. Its root L is that of the eigenvectors, in float64.
    L : (m, d), optional
        A tensor too, which then keeps its gradient. One of the two is given.

    Raises
    ------
    UsageError
        M is not symmetric, or has an eigenvalue below 0, or a number is not finite.
    """

    name = "mahalanobis"
    triangle = True
    product = "l2sq"
    one_map = True
    array_names = ("L",)

    def __init__(self, M: Any = None, *, L: Any = None) -> None:
        if (M is None) == (L is None):
            raise UsageError("a Mahalanobis distance is made of M or of L: give one of the two")
        self.L: Array = _as_matrix(L, "L") if M is None else root_of(M)

    def __repr__(self) -> str:
        return f"Mahalanobis(L=<{self.L.shape[0]} × {self.L.shape[1]}>)"

    @property
    def M(self) -> Array:
        """LᵀL: (d, d)."""
        return array_namespace(self.L).matrix_transpose(self.L) @ self.L

    def check(self, x: Array, what: str = "the array") -> None:
        if x.shape[1] != self.L.shape[1]:
            raise UsageError(f"the rows of {what} have {x.shape[1]} numbers, and L takes {self.L.shape[1]}")
        super().check(x, what)
        most = squarable(x)
        if 0 not in x.shape and _largest(x) > most / (_largest(self.L) * x.shape[1] + 1):
            raise UsageError(f"L makes of {what} numbers too large for {x.dtype}: scale either down")

    def query_map(self, q: Array) -> Array:
        return q @ array_namespace(q).matrix_transpose(like(q, self.L))

    def stored_map(self, s: Array) -> Array:
        return self.query_map(s)

    def link(self, x: Array) -> Array:
        return root(x)


def _largest(x: Array) -> float:
    return float(array_namespace(x).max(abs(plain(x))))


def root_of(M: Any) -> NDArray[np.float64]:
    """L with LᵀL = M, in float64: (d, d), the direction of the largest eigenvalue first.

    Raises
    ------
    UsageError
        M is not square, symmetric and positive semi-definite.
    """
    matrix = np.asarray(_as_matrix(M, "M"), np.float64)
    if matrix.shape[0] != matrix.shape[1]:
        raise UsageError(f"M has the shape {matrix.shape}: it must be square, or be given as L")
    gap = np.abs(matrix - matrix.T)
    if gap.max() > ASYMMETRY * np.abs(matrix).max():
        i, j = (int(place) for place in np.unravel_index(gap.argmax(), gap.shape))
        raise UsageError(f"M is not symmetric: M[{i}, {j}] is {matrix[i, j]:g} and M[{j}, {i}] is {matrix[j, i]:g}")
    values, directions = np.linalg.eigh((matrix + matrix.T) / 2)
    if values[0] < -NEGATIVE * max(abs(values[0]), abs(values[-1])):
        raise UsageError(f"M has the eigenvalue {values[0]:g}: it must be positive semi-definite, with none below 0")
    L: NDArray[np.float64] = (np.sqrt(np.clip(values, 0, None)) * directions).T[::-1].copy()
    return L


def _as_matrix(value: Any, name: str) -> Array:
    """A matrix of finite floating-point numbers; tensors stay tensors."""
    try:
        xp = array_namespace(value)
    except TypeError:
        value = np.asarray(value)
        xp = array_namespace(value)
    if value.ndim != 2 or 0 in value.shape:
        raise UsageError(f"{name} has the shape {tuple(value.shape)}: it must be a matrix")
    if is_numpy_array(value) and value.dtype.kind not in "biuf":
        raise UsageError(f"{name} is of {value.dtype}: it must be real numbers")
    if not xp.isdtype(value.dtype, "real floating"):
        value = xp.astype(value, xp.float64)
    if not bool(xp.all(xp.isfinite(value))):
        raise UsageError(f"{name} has a number that is not finite")
    return value
