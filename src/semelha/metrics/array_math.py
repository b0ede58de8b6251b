"""Array functions for NumPy, torch and other array API libraries: square roots and logarithms that are safe at 0.

NumPy arrays take a short cut in each function, because the dispatch of array-api-compat is slow for single queries.
"""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np
from array_api_compat import device

SMALL = 1e-30
"""Numbers from here to 1 can be divided by one another without underflow, in float32 too."""


def array_namespace(*arrays: Any) -> Any:
    """Return the array API namespace of the arrays, as `array_api_compat.array_namespace` does."""
    for array in arrays:
        if type(array) is not np.ndarray:
            return array_api_compat.array_namespace(*arrays)
    return np  # NumPy 2 follows the standard itself, and `array_api_compat.numpy` takes long to import


def vecdot(a: Any, b: Any) -> Any:
    """Inner products over the last axis, with broadcasting: (…, m), (…, m) → (…)."""
    if type(a) is np.ndarray and type(b) is np.ndarray:
        return np.vecdot(a, b)
    return array_namespace(a, b).sum(a * b, axis=-1)


def safe_sqrt(x: Any) -> Any:
    """√x, with value 0 and gradient 0 where x ≤ 0; NaN stays NaN."""
    if type(x) is np.ndarray:
        positive = np.maximum(x, 0)
        return np.sqrt(positive, out=positive) if type(positive) is np.ndarray else np.sqrt(positive)
    xp = array_namespace(x)
    positive = x > 0
    return xp.where(positive, xp.sqrt(xp.where(positive, x, xp.ones_like(x))), 0 * x)


def safe_log(x: Any) -> Any:
    """ln x, with value 0 and gradient 0 where x = 0: for products x · ln x only."""
    xp = array_namespace(x)
    return xp.log(xp.where(x == 0, xp.ones_like(x), x))


def relative_entropy(p: Any, q: Any) -> Any:
    """p ln(p / q), elementwise: 0 where p = 0, infinite where p > 0 = q."""
    if type(p) is np.ndarray and type(q) is np.ndarray and p.size and min(p.min(), q.min()) > SMALL:
        return p * np.log(p / q)
    xp = array_namespace(p, q)
    some = p != 0
    both = some & (q != 0)
    one = xp.ones_like(p * q)
    terms = p * (xp.log(xp.where(both, p, one)) - xp.log(xp.where(both, q, one)))
    return xp.where(some & ~both, xp.full_like(terms, float("inf")), terms)


def positive_part(x: Any) -> Any:
    """max(x, 0): distances that rounding has left below 0."""
    return np.maximum(x, 0) if type(x) is np.ndarray else array_namespace(x).clip(x, min=0)


def detached(x: Any) -> Any:
    """Return `x` without its gradient, if it is a tensor."""
    return x.detach() if hasattr(x, "detach") else x


def convert_like(x: Any, value: Any) -> Any:
    """Convert `value` to the library, dtype and device of `x`; a tensor keeps its gradient."""
    xp = array_namespace(x)
    try:
        array_namespace(x, value)
    except TypeError:  # of another library, such as NumPy weights beside a tensor
        value = value.detach().cpu() if hasattr(value, "detach") else value  # NumPy arrays have no gradient
        return xp.asarray(value, dtype=x.dtype, device=device(x))
    return value if value.dtype == x.dtype else xp.astype(value, x.dtype)
