"""The linear scan: exact, and the right choice up to some hundred thousand vectors."""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

from semelha.index.neighbors import Neighbors, Vectors
from semelha.metrics import Metric

SPARE = 16  # candidates beyond k that are ranked again in float64


class LinearIndex:
    """Exact search by comparing with every vector: FAISS flat on the metric's maps, then ranked again in float64.

    Parameters
    ----------
    metric : Metric
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._ids = np.empty(0, np.int64)
        self._vectors = np.empty((0, 0), np.float32)
        self._flat: faiss.Index | None = None

    def __len__(self) -> int:
        return len(self._ids)

    def build(self, ids: NDArray[np.int64], vectors: Vectors) -> None:
        """Hold these and nothing else: (n,) int64 and (n, d) float."""
        if len(ids) != len(vectors) or len(np.unique(ids)) != len(ids):
            raise ValueError("an index needs one vector for each id, and every id once")
        order = np.argsort(ids, kind="stable")  # equal distances then come in the order of ids
        self._ids = np.asarray(ids, np.int64)[order]
        self._vectors = np.ascontiguousarray(vectors, np.float32)[order]
        self._flat = self._flat_index(self._vectors) if len(ids) else None

    def add(self, ids: NDArray[np.int64], vectors: Vectors) -> None:
        """Hold these too."""
        if len(self):
            vectors = np.concatenate([self._vectors, np.asarray(vectors, np.float32)])
        self.build(np.concatenate([self._ids, ids]), vectors)

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Let go of these."""
        missing = np.setdiff1d(ids, self._ids)
        if len(missing):
            raise KeyError(f"not in the index: {missing.tolist()}")
        kept = ~np.isin(self._ids, ids)
        self.build(self._ids[kept], self._vectors[kept])

    def search(self, queries: Vectors, k: int, within: NDArray[np.int64] | None = None) -> Neighbors:
        """The k nearest of each query: (queries, d) → (queries, k)."""
        if within is not None:
            part = LinearIndex(self.metric)
            chosen = np.isin(self._ids, within)
            part.build(self._ids[chosen], self._vectors[chosen])
            return part.search(queries, k)
        ids = np.full((len(queries), k), -1, np.int64)
        distances = np.full((len(queries), k), np.inf)
        if self._flat is None or not len(queries):
            return Neighbors(ids, distances)
        wide = min(k + SPARE, len(self))
        mapped = np.ascontiguousarray(self.metric.query_map(np.asarray(queries, np.float32)), np.float32)
        _, rows = self._flat.search(mapped, wide)
        exact = self._exact(np.asarray(queries, np.float64), rows)  # (queries, wide)
        order = np.lexsort((rows, exact), axis=1)[:, :k]
        width = order.shape[1]
        ids[:, :width] = self._ids[np.take_along_axis(rows, order, axis=1)]
        distances[:, :width] = np.take_along_axis(exact, order, axis=1)
        return Neighbors(ids, distances)

    def stats(self) -> dict[str, object]:
        """Kind, number of vectors, bytes held."""
        return {"kind": "linear", "vectors": len(self), "bytes": 2 * self._vectors.nbytes}

    def _flat_index(self, vectors: NDArray[np.float32]) -> faiss.Index:
        mapped = np.ascontiguousarray(self.metric.stored_map(vectors), np.float32)
        kind = faiss.IndexFlatIP if self.metric.product == "ip" else faiss.IndexFlatL2
        flat = kind(mapped.shape[1])
        flat.add(mapped)
        return flat

    def _exact(self, queries: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Distances in float64 to the candidates of each query."""
        repeated = np.repeat(queries, rows.shape[1], axis=0)
        stored = self._vectors[rows.ravel()].astype(np.float64)
        found: NDArray[np.float64] = self.metric.between(repeated, stored)
        return found.reshape(rows.shape)
