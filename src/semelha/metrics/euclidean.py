"""Euclidean distance, and cosine distance."""

from __future__ import annotations

from typing import Literal

from array_api_compat import array_namespace

from semelha.metrics.base import Array, Metric


class Euclidean(Metric):
    """‖q − s‖₂. A metric: identity, symmetry, triangle inequality."""

    name = "euclidean"
    product: Literal["l2sq", "ip"] = "l2sq"

    def query_map(self, q: Array) -> Array:
        return q

    def stored_map(self, s: Array) -> Array:
        return s

    def link(self, x: Array) -> Array:
        xp = array_namespace(x)
        positive = x > 0
        return xp.where(positive, xp.sqrt(xp.where(positive, x, xp.ones_like(x))), xp.zeros_like(x))


class Cosine(Metric):
    """1 − ⟨q, s⟩ / (‖q‖ ‖s‖), between 0 and 2. Vectors of length 0 have distance 1 to everything."""

    name = "cosine"
    product: Literal["l2sq", "ip"] = "ip"

    def query_map(self, q: Array) -> Array:
        xp = array_namespace(q)
        squares = xp.sum(q * q, axis=-1, keepdims=True)
        positive = squares > 0
        return q / xp.sqrt(xp.where(positive, squares, xp.ones_like(squares)))

    def stored_map(self, s: Array) -> Array:
        return self.query_map(s)

    def link(self, x: Array) -> Array:
        xp = array_namespace(x)
        return xp.clip(1 - x, min=0)
