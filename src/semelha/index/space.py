"""A metric's maps of stored vectors and queries: float32 to find candidates, float64 to rank them."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.metrics import Metric
from semelha.metrics.mapped import BoundedMetric, MappedMetric

Vectors = NDArray[np.floating[Any]]
BLOCK = 1 << 21  # numbers that are mapped at a time, in float64: a logarithm or an inverse loses digits


class Space:
    """A metric and its maps φ of queries and ψ of stored vectors.

    `maps` is the metric itself; for a bounded metric its bound, whose maps give nearly the same order; or None.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.maps: MappedMetric | None = None
        if isinstance(metric, MappedMetric):
            self.maps = metric
        elif isinstance(metric, BoundedMetric):
            self.maps = metric.bound

    @property
    def product(self) -> Literal["l2sq", "ip"]:
        """How mapped vectors are compared: by squared Euclidean distance or inner product."""
        return self.require_maps().product

    def require_maps(self) -> MappedMetric:
        """The maps. Raises `TypeError` if the metric has none."""
        if self.maps is None:
            raise TypeError(f"{self.metric.name} has no maps")
        return self.maps

    def map_stored(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """ψ of stored vectors in float32, (n, d) → (n, m); the same array if ψ is the identity."""
        few = vectors[:1]
        if self.require_maps().stored_map(few) is few:
            return vectors
        step = max(1, BLOCK // max(1, vectors.shape[1]))
        starts = range(0, max(1, len(vectors)), step)
        parts = [_single(self.map_stored_float64(vectors[start : start + step])) for start in starts]
        return np.concatenate(parts) if len(parts) != 1 else parts[0]

    def map_stored_float64(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """ψ of stored vectors in float64, (n, d) → (n, m)."""
        mapped: NDArray[np.float64] = self.require_maps().stored_map(vectors.astype(np.float64))
        return mapped

    def queries(self, vectors: Vectors) -> Queries:
        """Checked queries, (q, d). Raises `UsageError` for a row that the metric cannot take."""
        exact = np.asarray(vectors, np.float64)
        if exact.ndim != 2:
            raise UsageError(f"queries must be an array (n, d), not of the shape {exact.shape}")
        self.metric.check(exact, "the queries")
        return Queries(self, exact)


class Queries:
    """Queries of one search, (q, d), mapped once for all segments; `precise` is φ of them, if it is known."""

    def __init__(self, space: Space, exact: NDArray[np.float64], precise: NDArray[np.float64] | None = None) -> None:
        self.space = space
        self.exact = exact
        self._precise = precise

    def __len__(self) -> int:
        return len(self.exact)

    @property
    def precise(self) -> NDArray[np.float64]:
        """φ in float64: (q, m)."""
        if self._precise is None:
            self._precise = self.space.require_maps().query_map(self.exact)
        return self._precise

    @cached_property
    def mapped(self) -> NDArray[np.float32]:
        """φ in float32: (q, m)."""
        return _single(self.precise)

    @cached_property
    def roots(self) -> NDArray[np.float32]:
        """√q: (q, d)."""
        return _single(np.sqrt(self.exact))

    def distances(self, repeats: int, stored: NDArray[np.float64]) -> NDArray[np.float64]:
        """Exact distances to stored vectors (q · repeats, d), `repeats` for each query in turn: (q, repeats)."""
        metric = self.space.metric
        distances: NDArray[np.float64]
        if isinstance(metric, MappedMetric) and metric.between_uses_maps:
            distances = metric.candidate_distances(self.precise, stored)
        else:
            distances = metric.between_unchecked(self.exact.repeat(repeats, axis=0), stored).reshape(len(self), repeats)
        return distances

    def distances_float32(self, repeats: int, stored: NDArray[np.float32]) -> NDArray[np.float32]:
        """The distances of `distances`, computed in float32."""
        asked = _single(self.exact).repeat(repeats, axis=0)
        distances: NDArray[np.float32] = self.space.metric.between_unchecked(asked, stored).reshape(len(self), repeats)
        return distances

    def part(self, which: slice | NDArray[np.bool_]) -> Queries:
        """The chosen queries, with their maps."""
        return Queries(self.space, self.exact[which], None if self._precise is None else self._precise[which])


def _single(mapped: NDArray[np.float64]) -> NDArray[np.float32]:
    """Float32 as FAISS takes it; numbers that are too large become infinite, and are ranked in float64."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(mapped, np.float32)
