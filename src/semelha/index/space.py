"""Where vectors are compared: a metric's maps in float32 find candidates, its `between` in float64 ranks them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from semelha.index.neighbors import Vectors
from semelha.metrics import Metric
from semelha.metrics.mapped import MappedMetric
from semelha.metrics.scanned import BoundedMetric

BLOCK = 1 << 21  # numbers that are mapped at a time, in float64: a logarithm or an inverse loses digits


class Space:
    """The space in which an index compares.

    Parameters
    ----------
    metric : Metric

    Attributes
    ----------
    maps : MappedMetric or None
        Whose maps order the vectors as the metric does, or, for a bounded metric, nearly so.
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
        """⊙ of the maps."""
        if self.maps is None:
            raise TypeError(f"{self.metric.name} has no maps")
        return self.maps.product

    def stored(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """ψ of what is stored, (n, d) → (n, m); the very same array where ψ changes nothing."""
        if self.maps is None:
            raise TypeError(f"{self.metric.name} has no maps")
        if _changes_nothing(self.maps, vectors):
            return vectors
        step = max(1, BLOCK // max(1, vectors.shape[1]))
        starts = range(0, max(1, len(vectors)), step)
        parts = [_single(self.stored_precisely(vectors[start : start + step])) for start in starts]
        return np.concatenate(parts) if len(parts) != 1 else parts[0]

    def stored_precisely(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """ψ of what is stored, in float64."""
        if self.maps is None:
            raise TypeError(f"{self.metric.name} has no maps")
        mapped: NDArray[np.float64] = self.maps.stored_map(vectors.astype(np.float64))
        return mapped

    def queries(self, vectors: Vectors) -> Queries:
        """Queries (q, d), looked at. Raises `UsageError` for a row that the metric cannot take."""
        exact = np.asarray(vectors, np.float64)
        self.metric.check(exact, "the queries")
        return Queries(self, exact)


@dataclass(frozen=True, eq=False)
class Queries:
    """Queries of one search, mapped once for all the parts that are searched.

    Attributes
    ----------
    exact : (q, d) float64
    """

    space: Space
    exact: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.exact)

    @cached_property
    def mapped(self) -> NDArray[np.float32]:
        """φ in float32: (q, m)."""
        return _single(self.precise)

    @cached_property
    def precise(self) -> NDArray[np.float64]:
        """φ: (q, m)."""
        if self.space.maps is None:
            raise TypeError(f"{self.space.metric.name} has no maps")
        mapped: NDArray[np.float64] = self.space.maps.query_map(self.exact)
        return mapped

    @cached_property
    def roots(self) -> NDArray[np.float32]:
        """√q: (q, d)."""
        return _single(np.sqrt(self.exact))

    def each(self, repeats: int, stored: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distances to the rows of `stored`, so many for each query, one query after the other."""
        metric = self.space.metric
        distances: NDArray[np.float64]
        if isinstance(metric, MappedMetric) and metric.each_by_maps:
            distances = metric.each_mapped(self.precise.repeat(repeats, axis=0), stored)
        else:
            distances = metric.each(self.exact.repeat(repeats, axis=0), stored)
        return distances

    def part(self, which: slice) -> Queries:
        """Some of them, one after the other; what is mapped stays mapped."""
        some = Queries(self.space, self.exact[which])
        if "precise" in self.__dict__:
            some.__dict__["precise"] = self.precise[which]
        return some

    def only(self, which: NDArray[np.bool_]) -> Queries:
        """Some of them."""
        return Queries(self.space, self.exact[which])


def _changes_nothing(maps: MappedMetric, vectors: NDArray[np.float32]) -> bool:
    few = vectors[:1]
    return maps.stored_map(few) is few


def _single(mapped: NDArray[np.float64]) -> NDArray[np.float32]:
    """As FAISS takes them."""
    return np.ascontiguousarray(mapped, np.float32)
