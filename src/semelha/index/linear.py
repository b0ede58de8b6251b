"""The linear scan: exact, and the right choice up to some hundred thousand vectors."""

from __future__ import annotations

from copy import copy

import faiss
import numpy as np
from numpy.typing import NDArray

from semelha.index.neighbors import Neighbors, Vectors
from semelha.metrics import MappedMetric, Metric

SPARE = 16  # candidates beyond k that are ranked again in float64
BLOCK = 1 << 14  # vectors that are mapped at a time, in float64: a logarithm or an inverse loses digits


class LinearIndex:
    """Exact search by comparing with every vector: FAISS flat on the metric's maps, then ranked again in float64.

    A metric without maps is scanned as `metric.nearest` does; `stats` says so.

    Parameters
    ----------
    metric : Metric
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._ids = np.empty(0, np.int64)
        self._vectors = np.empty((0, 0), np.float32)
        self._flat: faiss.Index | None = None
        self._longest = 0.0  # length of the longest mapped vector

    def __len__(self) -> int:
        return len(self._ids)

    def build(self, ids: NDArray[np.int64], vectors: Vectors) -> None:
        """Hold these and nothing else: (n,) int64 and (n, d) float."""
        if len(ids) != len(vectors) or len(np.unique(ids)) != len(ids):
            raise ValueError("an index needs one vector for each id, and every id once")
        order = np.argsort(ids, kind="stable")  # equal distances then come in the order of ids
        rows = np.ascontiguousarray(vectors, np.float32)[order]
        if len(ids):
            self.metric.check(rows, "what is stored")
        self._ids = np.asarray(ids, np.int64)[order]
        self._vectors = rows
        self._flat = self._flat_index(rows) if len(ids) else None

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
        if not len(self) or not len(queries):
            return Neighbors(ids, distances)
        width = min(k, len(self))
        rows, exact = self._nearest(np.asarray(queries), width)  # (queries, width)
        ids[:, :width] = self._ids[rows]
        distances[:, :width] = exact
        return Neighbors(ids, distances)

    def snapshot(self) -> LinearIndex:
        """What is held now, whatever is added or removed later."""
        return copy(self)  # `build` makes its arrays anew

    def stats(self) -> dict[str, object]:
        """Kind, how it searches (`Metric.search`), number of vectors, bytes held."""
        mapped = self._flat.ntotal * self._flat.d * 4 if self._flat is not None else 0
        size = self._vectors.nbytes + mapped
        return {"kind": "linear", "search": self.metric.search, "vectors": len(self), "bytes": size}

    def _flat_index(self, vectors: NDArray[np.float32]) -> faiss.Index | None:
        if not isinstance(self.metric, MappedMetric):
            return None
        flat, self._longest = None, 0.0
        for start in range(0, len(vectors), BLOCK):
            mapped = _single(self.metric.stored_map(vectors[start : start + BLOCK].astype(np.float64)))
            if flat is None:
                kind = faiss.IndexFlatIP if self.metric.product == "ip" else faiss.IndexFlatL2
                flat = kind(mapped.shape[1])
            flat.add(mapped)
            self._longest = max(self._longest, float(np.linalg.norm(mapped, axis=1).max()))
        return flat

    def _nearest(self, queries: Vectors, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows and distances of the k nearest, ties by row: each (queries, k)."""
        exact = np.asarray(queries, np.float64)
        if self._flat is None or not isinstance(self.metric, MappedMetric):
            return self.metric.nearest(exact, self._vectors.astype(np.float64), k)
        self.metric.check(exact, "the queries")
        mapped = _single(self.metric.query_map(exact))
        products, rows = self._flat.search(mapped, min(k + SPARE, len(self)))
        distances = self._exact(exact, rows)  # (queries, k + SPARE)
        order = np.lexsort((rows, distances), axis=1)[:, :k]
        rows, distances = np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1)
        doubt = self._doubt(mapped, products, k)
        if doubt.any():
            stored = self._vectors.astype(np.float64)
            rows[doubt], distances[doubt] = self.metric.nearest(exact[doubt], stored, k)
        return rows, distances

    def _doubt(self, mapped: NDArray[np.float32], products: NDArray[np.float32], k: int) -> NDArray[np.bool_]:
        """Where a row beyond the candidates may belong to the k nearest: (queries,).

        The worst candidate is then no farther from the k-th than rounding, as where many vectors are the same.
        """
        if self._flat is None or products.shape[1] == len(self):
            return np.zeros(len(products), bool)
        lengths = np.linalg.norm(mapped, axis=1)
        scale = (
            lengths * self._longest
            if self._flat.metric_type == faiss.METRIC_INNER_PRODUCT
            else 2 * (lengths**2 + self._longest**2)
        )
        rounding = 2 * scale * (mapped.shape[1] + 8) * np.finfo(np.float32).eps / 2
        doubt: NDArray[np.bool_] = np.abs(products[:, -1] - products[:, k - 1]) <= rounding
        return doubt

    def _exact(self, queries: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Distances in float64 to the candidates of each query."""
        repeated = np.repeat(queries, rows.shape[1], axis=0)
        stored = self._vectors[rows.ravel()].astype(np.float64)
        found: NDArray[np.float64] = self.metric.between(repeated, stored, check=False)
        return found.reshape(rows.shape)


def _single(mapped: NDArray[np.float64]) -> NDArray[np.float32]:
    """As FAISS takes them."""
    return np.ascontiguousarray(mapped, np.float32)
