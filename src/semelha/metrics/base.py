"""What a metric is: f(q, s) = link(φ(q) ⊙ ψ(s)), with ⊙ the squared Euclidean distance or the inner product.

Every metric here gives a distance: smaller is nearer. Arrays are NumPy's, torch's or any other of the array API; what
comes in decides what comes out, and nothing is imported for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

from array_api_compat import array_namespace

Array = Any
"""An array of NumPy, torch or another library of the array API."""


class Metric(ABC):
    """A distance between vectors, as two maps and a link.

    Attributes
    ----------
    name : str
        What a model card calls it.
    product : {"l2sq", "ip"}
        ⊙: squared Euclidean distance (smaller is nearer) or inner product (larger is nearer).
    """

    name: str
    product: Literal["l2sq", "ip"]

    @abstractmethod
    def query_map(self, q: Array) -> Array:
        """φ: (n, d) → (n, m)."""

    @abstractmethod
    def stored_map(self, s: Array) -> Array:
        """ψ: (n, d) → (n, m)."""

    @abstractmethod
    def link(self, x: Array) -> Array:
        """Distances from values of ⊙, of any shape."""

    def parameters(self) -> dict[str, object]:
        """What a model card must hold to make this metric again, beside its name."""
        return {}

    def pairwise(self, q: Array, s: Array) -> Array:
        """Distances of every q to every s: (n, d), (m, d) → (n, m)."""
        xp = array_namespace(q, s)
        a, b = self.query_map(q), self.stored_map(s)
        inner = a @ xp.matrix_transpose(b)
        if self.product == "ip":
            return self.link(inner)
        squares = xp.sum(a * a, axis=1)[:, None] + xp.sum(b * b, axis=1)[None, :]
        return self.link(xp.clip(squares - 2 * inner, min=0))

    def between(self, q: Array, s: Array) -> Array:
        """Distance of each q to the s in the same row: (n, d), (n, d) → (n,)."""
        xp = array_namespace(q, s)
        a, b = self.query_map(q), self.stored_map(s)
        if self.product == "ip":
            return self.link(xp.sum(a * b, axis=1))
        return self.link(xp.sum((a - b) ** 2, axis=1))
