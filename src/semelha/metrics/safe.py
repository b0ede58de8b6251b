"""Roots and logarithms that are safe at 0, in value and in gradient, over the array API."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import device

from semelha.metrics.namespace import array_namespace

SMALL = 1e-30
"""Numbers between it and 1 can be divided by each other, in float32 too."""


def root(x: Any) -> Any:
    """√x; 0, with a gradient of 0, where x is 0 or below; NaN stays NaN."""
    if type(x) is np.ndarray:
        positive = np.maximum(x, 0)
        return np.sqrt(positive, out=positive) if type(positive) is np.ndarray else np.sqrt(positive)
    xp = array_namespace(x)
    positive = x > 0
    return xp.where(positive, xp.sqrt(xp.where(positive, x, xp.ones_like(x))), 0 * x)


def log(x: Any) -> Any:
    """ln x; 0, with a gradient of 0, where x is 0: only for what is multiplied by that x."""
    xp = array_namespace(x)
    return xp.log(xp.where(x == 0, xp.ones_like(x), x))


def relative_entropy(p: Any, q: Any) -> Any:
    """p ln(p / q), number by number: 0 where p = 0, and infinite where p > 0 = q."""
    if type(p) is np.ndarray and type(q) is np.ndarray and p.size and min(p.min(), q.min()) > SMALL:
        return p * np.log(p / q)
    xp = array_namespace(p, q)
    some = p != 0
    both = some & (q != 0)
    one = xp.ones_like(p * q)
    terms = p * (xp.log(xp.where(both, p, one)) - xp.log(xp.where(both, q, one)))
    return xp.where(some & ~both, xp.full_like(terms, float("inf")), terms)


def positive_part(x: Any) -> Any:
    """x, or 0 where rounding has left it below."""
    return np.maximum(x, 0) if type(x) is np.ndarray else array_namespace(x).clip(x, min=0)


def like(x: Any, value: Any) -> Any:
    """`value` as an array of the kind, type and place of x; a tensor keeps its gradient."""
    xp = array_namespace(x)
    try:
        array_namespace(x, value)
    except TypeError:  # of another library, such as NumPy's weights beside a tensor
        value = value.detach().cpu() if hasattr(value, "detach") else value  # NumPy cannot hold a gradient
        return xp.asarray(value, dtype=x.dtype, device=device(x))
    return value if value.dtype == x.dtype else xp.astype(value, x.dtype)
