"""Validation of the rows that a metric takes, in one pass if all are valid; and additive smoothing of counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from semelha.errors import UsageError
from semelha.metrics.array_math import array_namespace, detached

TOLERANCE = 1e-4
"""Largest difference between the sum of a histogram and 1: the rounding of tens of thousands of float32 is smaller."""

ONE_THREAD = 10_000
"""Numbers up to which BLAS computes a dot product in one thread."""

CLEARLY_FINITE = 1e30
"""If a sum of squares is below it, every number is finite and can be squared, in float32 too. NaN is not below it."""


def as_rows(q: Any, s: Any) -> tuple[Any, Any]:
    """Convert both to (·, d) of one floating-point dtype; one and the same array stays one. Raises `UsageError`.

    NumPy arrays become float32 or float64: half precision float32, everything else that is neither float64.
    """
    same = s is q
    if isinstance(q, np.ndarray) and q.dtype not in _COMPUTED:
        q = _as_computed(q)
    s = q if same else _as_computed(s) if isinstance(s, np.ndarray) and s.dtype not in _COMPUTED else s
    xp = array_namespace(q, s)
    for x in (q, s):
        if x.ndim != 2:
            raise UsageError(f"a metric takes rows, (n, d), and got an array of shape {tuple(x.shape)}")
        if xp.isdtype(x.dtype, "complex floating"):
            raise UsageError("a metric takes real numbers, and got complex numbers")
    if q.dtype == s.dtype and q.shape[1] == s.shape[1] and xp.isdtype(q.dtype, "real floating"):
        return q, s
    if q.shape[1] != s.shape[1]:
        raise UsageError(f"the rows have {q.shape[1]} numbers in one array and {s.shape[1]} in the other")
    q, s = (x if xp.isdtype(x.dtype, "real floating") else xp.astype(x, xp.float64) for x in (q, s))
    if q.dtype != s.dtype:
        common = xp.result_type(q, s)
        q, s = xp.astype(q, common), xp.astype(s, common)
    return q, (q if same else s)


_COMPUTED = (np.dtype(np.float32), np.dtype(np.float64))
_SMALL = np.dtype(np.float16)


def _as_computed(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A NumPy array in a dtype that linear algebra computes in. Raises `UsageError` if it has no real numbers."""
    if x.dtype.kind == "c":
        raise UsageError("a metric takes real numbers, and got complex numbers")
    try:
        if x.dtype.kind not in "fiubO":
            raise TypeError
        with np.errstate(over="ignore"):  # of long doubles: such numbers are refused as infinite
            return x.astype(np.float32 if x.dtype.newbyteorder("=") in (_SMALL, np.float32) else np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"a metric takes numbers, and got an array of {x.dtype}") from error


def largest_squarable(x: Any) -> float:
    """Return the largest number such that the squares of a row of them can be summed, in the dtype of `x`."""
    return float((float(array_namespace(x).finfo(x.dtype).max) / (16 * max(1, x.shape[1]))) ** 0.5)


def check_finite(x: Any, what: str) -> None:
    """Raise `UsageError` if a number is NaN, infinite, or so large that the square of a row would be infinite."""
    if type(x) is np.ndarray and _sum_of_squares(x) < CLEARLY_FINITE:
        return
    xp, x = array_namespace(x), detached(x)
    most = largest_squarable(x)
    if 0 in x.shape or (float(xp.max(x)) <= most and float(xp.min(x)) >= -most):  # False for NaN
        return
    row, column = _first(xp, ~(xp.abs(x) <= most))
    value = float(x[row, column])
    finite = float("-inf") < value < float("inf")
    must = f"its square is too large for {x.dtype}; scale the numbers down" if finite else "all must be finite"
    raise UsageError(f"row {row} of {what} has {value:g} at column {column}: {must}")


def _sum_of_squares(x: np.ndarray[Any, Any]) -> float:
    """Sum the squares by BLAS, which is fastest, unless `x` is so large that BLAS would start threads."""
    return float(np.vdot(x, x) if x.size <= ONE_THREAD else np.einsum("i,i->", x.ravel(), x.ravel()))


def check_distances(x: Any) -> None:
    """Raise `UsageError` if a distance is NaN."""
    xp, x = array_namespace(x), detached(x)
    if bool(xp.isnan(xp.sum(x))):  # infinite distances do not cancel, because none is below 0
        place = int(xp.argmax(xp.reshape(xp.astype(xp.isnan(x), xp.int8), (-1,))))
        raise UsageError(f"distance number {place} cannot be computed in {x.dtype}: scale the numbers down")


def check_histograms(x: Any, what: str) -> None:
    """Raise `UsageError` if a row is not a histogram: a number is not finite or below 0, or the sum is not 1."""
    xp, x = array_namespace(x), detached(x)
    if x.shape[0] == 0:
        return
    if x.shape[1] == 0:
        raise UsageError(f"the rows of {what} are empty: a histogram needs at least one bin")
    sums = xp.sum(x, axis=1)
    tolerance = max(TOLERANCE, 8 * float(xp.finfo(x.dtype).eps))
    right = xp.abs(sums - 1) <= tolerance  # False for NaN too
    if bool(xp.all(right)) and bool(xp.min(x) >= 0):
        return
    check_finite(x, what)
    negative = x < 0
    if bool(xp.any(negative)):
        row, column = _first(xp, negative)
        raise UsageError(
            f"row {row} of {what} has {float(x[row, column]):g} at column {column}: a histogram has no number below 0"
        )
    row = int(xp.argmax(xp.astype(~right, xp.int8)))
    raise UsageError(
        f"row {row} of {what} sums to {float(sums[row]):g}: a histogram sums to 1; divide counts by their sum, "
        "or use additive_smoothing(counts, alpha)"
    )


def check_positive(x: Any, what: str) -> None:
    """Raise `UsageError` if a number under a logarithm is not above 0."""
    xp, x = array_namespace(x), detached(x)
    wrong = ~(x > 0)
    if bool(xp.any(wrong)):
        row, column = _first(xp, wrong)
        raise UsageError(
            f"row {row} of {what} has {float(x[row, column]):g} at column {column}, under a logarithm: the map of this "
            "metric needs every bin above 0; use additive_smoothing(counts, alpha), or compare with pairwise"
        )


def additive_smoothing(counts: Any, alpha: float = 1.0) -> Any:
    """Turn counts into histograms by additive smoothing, (n + α) / (N + α K): (rows, K) → (rows, K).

    Every row sums to 1. With α above 0 every bin is above 0, and a row without counts becomes uniform. α = 1 is
    Laplace's rule, α = ½ that of Jeffreys (Krichevsky & Trofimov 1981).

    Raises
    ------
    UsageError
        Counts below 0 or not finite, α below 0, or a row without counts if α is 0.
    """
    xp = array_namespace(counts)
    if not 0 <= alpha < float("inf"):
        raise UsageError(f"alpha is {alpha}: it must be 0 or more")
    counts, _ = as_rows(counts, counts)
    check_finite(counts, "the counts")
    negative = counts < 0
    if bool(xp.any(negative)):
        row, column = _first(xp, negative)
        raise UsageError(
            f"row {row} of the counts has {float(detached(counts)[row, column]):g} at column {column}, below 0"
        )
    smoothed = counts + alpha
    sums = xp.sum(smoothed, axis=1, keepdims=True)
    if not bool(xp.all(sums > 0)):
        row, _ = _first(xp, ~(sums > 0))
        raise UsageError(f"row {row} of the counts has none: pass an alpha above 0")
    return smoothed / sums


def _first(xp: Any, wrong: Any) -> tuple[int, int]:
    """Row and column of the first True in a matrix."""
    place = int(xp.argmax(xp.reshape(xp.astype(wrong, xp.int8), (-1,))))
    return place // int(wrong.shape[1]), place % int(wrong.shape[1])
