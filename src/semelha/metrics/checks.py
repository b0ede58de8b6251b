"""What a metric looks at before it computes, in one pass where nothing is wrong; and smoothing of counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from semelha.errors import UsageError
from semelha.metrics.namespace import array_namespace

TOLERANCE = 1e-4
"""How far from 1 a histogram may sum: rounding of tens of thousands of float32 stays below."""

ALONE = 10_000
"""Numbers of which a dot product takes one thread."""

PLAINLY = 1e30
"""A sum of squares below which every number is finite and can be squared, in float32 too; NaN is not below."""


def as_rows(q: Any, s: Any) -> tuple[Any, Any]:
    """Both as (·, d) of one floating-point type; one and the same array stays one. Raises `UsageError`."""
    xp = array_namespace(q, s)
    same = s is q
    for x in (q, s):
        if x.ndim != 2:
            raise UsageError(f"a metric takes rows, (n, d), and got an array of shape {tuple(x.shape)}")
        if xp.isdtype(x.dtype, "complex floating"):
            raise UsageError("a metric takes real numbers, and got complex ones")
    if q.dtype == s.dtype and q.shape[1] == s.shape[1] and xp.isdtype(q.dtype, "real floating"):
        return q, s
    if q.shape[1] != s.shape[1]:
        raise UsageError(f"the rows have {q.shape[1]} numbers in one array and {s.shape[1]} in the other")
    q, s = (x if xp.isdtype(x.dtype, "real floating") else xp.astype(x, xp.float64) for x in (q, s))
    if q.dtype != s.dtype:
        common = xp.result_type(q, s)
        q, s = xp.astype(q, common), xp.astype(s, common)
    return q, (q if same else s)


def plain(x: Any) -> Any:
    """The values alone: a tensor without its gradient."""
    return x.detach() if hasattr(x, "detach") else x


def squarable(x: Any) -> float:
    """The largest number of which a row may be squared and summed, in the precision of x."""
    return float((float(array_namespace(x).finfo(x.dtype).max) / (16 * max(1, x.shape[1]))) ** 0.5)


def check_finite(x: Any, what: str) -> None:
    """Raises `UsageError` where a number is NaN, infinite, or so large that squares of rows would be infinite."""
    if type(x) is np.ndarray and _sum_of_squares(x) < PLAINLY:
        return
    xp, x = array_namespace(x), plain(x)
    most = squarable(x)
    if 0 in x.shape or (float(xp.max(x)) <= most and float(xp.min(x)) >= -most):  # False for NaN
        return
    row, column = _first(xp, ~(xp.abs(x) <= most))
    value = float(x[row, column])
    finite = float("-inf") < value < float("inf")
    must = f"its square is too large for {x.dtype}; scale the numbers down" if finite else "all must be finite"
    raise UsageError(f"row {row} of {what} has {value:g} at column {column}: {must}")


def _sum_of_squares(x: np.ndarray[Any, Any]) -> float:
    """By BLAS, which is quicker, unless there is so much that it would wake threads of its own."""
    return float(np.vdot(x, x) if x.size <= ALONE else np.einsum("i,i->", x.ravel(), x.ravel()))


def check_distances(x: Any) -> None:
    """Raises `UsageError` where a distance came out as no number: the last line against a silent NaN."""
    xp, x = array_namespace(x), plain(x)
    if bool(xp.isnan(xp.sum(x))):  # distances are not below 0, so that infinite ones do not cancel
        place = int(xp.argmax(xp.reshape(xp.astype(xp.isnan(x), xp.int8), (-1,))))
        raise UsageError(f"distance number {place} cannot be told in {x.dtype}: scale the numbers down")


def check_histograms(x: Any, what: str) -> None:
    """Raises `UsageError` where a row is no histogram: a number not finite or below 0, or a sum that is not 1."""
    xp, x = array_namespace(x), plain(x)
    if x.shape[0] == 0:
        return
    if x.shape[1] == 0:
        raise UsageError(f"the rows of {what} are empty: a histogram has one bin or more")
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
            f"row {row} of {what} has {float(x[row, column]):g} at column {column}: a histogram has nothing below 0"
        )
    row = int(xp.argmax(xp.astype(~right, xp.int8)))
    raise UsageError(
        f"row {row} of {what} sums to {float(sums[row]):g}: a histogram sums to 1; divide counts by their sum, "
        "or make smoothed(counts, alpha) of them"
    )


def check_positive(x: Any, what: str) -> None:
    """Raises `UsageError` where a number that goes under a logarithm is not above 0."""
    xp, x = array_namespace(x), plain(x)
    wrong = ~(x > 0)
    if bool(xp.any(wrong)):
        row, column = _first(xp, wrong)
        raise UsageError(
            f"row {row} of {what} has {float(x[row, column]):g} at column {column}, under a logarithm: the map of this "
            "metric needs every bin above 0; make smoothed(counts, alpha) of the counts, or compare with pairwise"
        )


def smoothed(counts: Any, alpha: float = 1.0) -> Any:
    """Histograms from counts, (n + α) / (N + α K): (rows, K) → (rows, K), each row summing to 1.

    α = 1 is Laplace's rule, ½ Jeffreys' (Krichevsky & Trofimov 1981). With α above 0 every bin is above 0, and a row
    without counts is uniform.

    Raises
    ------
    UsageError
        Counts below 0 or not finite, α below 0, or a row without counts where α is 0.
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
            f"row {row} of the counts has {float(plain(counts)[row, column]):g} at column {column}, below 0"
        )
    raised = counts + alpha
    sums = xp.sum(raised, axis=1, keepdims=True)
    if not bool(xp.all(sums > 0)):
        row, _ = _first(xp, ~(sums > 0))
        raise UsageError(f"row {row} of the counts has none: take an alpha above 0")
    return raised / sums


def _first(xp: Any, wrong: Any) -> tuple[int, int]:
    """Row and column of the first True of a matrix."""
    place = int(xp.argmax(xp.reshape(xp.astype(wrong, xp.int8), (-1,))))
    return place // int(wrong.shape[1]), place % int(wrong.shape[1])
