"""Exact search: a linear scan, and in few dimensions a tree.

A metric with maps is an inner product or a squared Euclidean distance of mapped vectors (`MappedMetric`). A scan
compares mapped vectors in float32 with FAISS; a tree of scikit-learn compares them in float64. Both find candidates,
which are re-ranked by the metric. "FlatMaker" and "TreeMaker" are the names of the builders in saved manifests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.index.checks import check_numbers, whole_number
from semelha.index.ranking import Keys, rerank_exactly
from semelha.index.rows import DeletedMask, Found, Rows, check_order
from semelha.index.space import Queries, Space
from semelha.metrics.mapped import MappedMetric

BLOCK = 1 << 14  # rows whose norms are computed at a time
FLOAT64_TOLERANCE = 1e-9  # relative difference of distances that rounding in float64 can explain
LIFTED_TOLERANCE = 1e-7  # the same if a coordinate is √(b − ‖ψ‖²), a root of a small difference

TREES = ("kd", "ball")


class Flat:
    """Linear scan: FAISS compares all mapped rows; for a metric without exact maps, `Metric.nearest` all rows.

    The rows are in ascending order of ids. `mapped` are the mapped rows ψ, (n, m), if they are known. `reason` says why
    rows are scanned, for `Index.stats`.
    """

    kind: ClassVar[str] = "linear"

    def __init__(self, rows: Rows, mapped: NDArray[np.float32] | None = None, *, reason: str = "") -> None:
        self.reason = reason
        self.mapped: NDArray[np.float32] | None = None
        self._max_norm = 0.0
        if isinstance(rows.space.metric, MappedMetric):
            self.mapped = rows.space.map_stored(rows.vectors) if mapped is None else mapped
            self._max_norm = _max_norm(self.mapped)

    def nearest(self, rows: Rows, queries: Queries, k: int, deleted: DeletedMask | None = None) -> Found:
        mapped, product = self.mapped, rows.space.maps.product if rows.space.maps else ""
        if mapped is None:
            return rows.scanned(queries, k, deleted)
        metric = faiss.METRIC_INNER_PRODUCT if product == "ip" else faiss.METRIC_L2

        def candidates(queries: Queries, n_candidates: int) -> tuple[Keys, NDArray[np.int64]]:
            keys, found = faiss.knn(queries.mapped, mapped, n_candidates, metric)
            return keys, found

        def rounding_error(queries: Queries, kth: Keys) -> Keys:
            squares, max_norm = np.einsum("qm,qm->q", queries.mapped, queries.mapped), self._max_norm
            scale = np.sqrt(squares) * max_norm if product == "ip" else 2 * (squares + max_norm**2)
            # A sum of m products in float32 has a relative error of up to m · eps; 8 · eps for the steps around it.
            worst: Keys = scale * (queries.mapped.shape[1] + 8) * np.finfo(np.float32).eps
            return worst

        return rerank_exactly(rows, queries, k, deleted, candidates, rounding_error)

    def header(self) -> dict[str, Any]:
        return {"why": self.reason}

    def arrays(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """The mapped rows, unless they are the vectors themselves."""
        return {} if self.mapped is None or self.mapped is rows.vectors else {"mapped": self.mapped}

    @classmethod
    def restore(cls, rows: Rows, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Raises `ValueError` if header and arrays do not fit together."""
        mapped, reason = arrays.get("mapped"), header["why"]
        check_order(rows)
        if mapped is not None:
            shape = (len(rows), rows.space.map_stored(rows.vectors[:1]).shape[1])
            if mapped.dtype != np.float32 or mapped.shape != shape:
                raise ValueError("the mapped rows are not those of the vectors")
            check_numbers(mapped)
        if not isinstance(reason, str):
            raise ValueError("its reason is not a string")
        return cls(rows, mapped, reason=reason)

    def stats(self) -> dict[str, object]:
        return {"why": self.reason} if self.reason else {}


@dataclass(frozen=True)
class FlatBuilder:
    """Builds a `Flat`."""

    reason: str = ""

    recall: ClassVar[float] = 1.0

    def check(self, space: Space) -> None:
        """Accept every metric."""

    def build(self, rows: Rows, check_cancelled: Callable[[], None] = lambda: None) -> tuple[Rows, Flat]:
        rows = rows.sorted()
        return rows, Flat(rows, reason=self.reason)

    def settings(self) -> dict[str, Any]:
        return {"kind": "FlatMaker", "why": self.reason}


def _max_norm(mapped: NDArray[np.float32]) -> float:
    blocks = (mapped[start : start + BLOCK] for start in range(0, len(mapped), BLOCK))
    return float(np.sqrt(max((np.vecdot(block, block).max() for block in blocks), default=0.0)))


class Tree:
    """A tree over the mapped rows in float64. It is not saved, but rebuilt when the index is loaded.

    A tree searches by Euclidean distance. For an inner product, rows are lifted: they get one more coordinate,
    √(b − ‖ψ‖²) with b the largest ‖ψ‖², and queries get 0. The nearest rows are then those with the largest product
    (Bachrach et al., RecSys 2014).
    """

    kind: ClassVar[str] = "tree"

    def __init__(self, rows: Rows, tree: str, leaf_size: int, *, reason: str = "") -> None:
        from sklearn.neighbors import BallTree, KDTree  # slow to import, and few galleries have a tree

        self.reason = reason
        self.tree = tree
        self.leaf_size = leaf_size
        mapped = rows.space.map_stored_float64(rows.vectors)
        self._lifted = rows.space.product == "ip"
        if self._lifted:
            squares = (mapped**2).sum(axis=1)
            mapped = np.concatenate([mapped, np.sqrt(squares.max() - squares)[:, None]], axis=1)
        self._max_norm = float(np.sqrt((mapped**2).sum(axis=1).max()))
        self._bytes = mapped.nbytes
        self._sklearn_tree = (KDTree if tree == "kd" else BallTree)(mapped, leaf_size=leaf_size)

    def nearest(self, rows: Rows, queries: Queries, k: int, deleted: DeletedMask | None = None) -> Found:
        def candidates(queries: Queries, n_candidates: int) -> tuple[Keys, NDArray[np.int64]]:
            mapped = queries.precise
            if self._lifted:
                mapped = np.concatenate([mapped, np.zeros((len(mapped), 1))], axis=1)
            distances, found = self._sklearn_tree.query(mapped, n_candidates)
            return distances, found

        def rounding_error(queries: Queries, kth: Keys) -> Keys:
            worst: Keys = (LIFTED_TOLERANCE if self._lifted else FLOAT64_TOLERANCE) * (self._max_norm + kth)
            return worst

        return rerank_exactly(rows, queries, k, deleted, candidates, rounding_error)

    def header(self) -> dict[str, Any]:
        return {"tree": self.tree, "leaf": self.leaf_size, "why": self.reason}

    def arrays(self, rows: Rows) -> dict[str, NDArray[Any]]:
        return {}

    @classmethod
    def restore(cls, rows: Rows, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild the tree from a saved header. Raises `ValueError` if it is invalid."""
        if header["tree"] not in TREES:
            raise ValueError(f"its tree is none of {TREES}")
        check_order(rows)
        return cls(rows, header["tree"], whole_number(header, "leaf", 1), reason=str(header["why"]))

    def stats(self) -> dict[str, object]:
        return {"tree": self.tree, "bytes in memory": self._bytes, **({"why": self.reason} if self.reason else {})}


@dataclass(frozen=True)
class TreeBuilder:
    """Builds a `Tree`. See `TreeIndex`."""

    tree: Literal["kd", "ball"] = "kd"
    leaf_size: int = 40
    reason: str = ""

    recall: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if self.tree not in TREES:
            raise UsageError(f"tree is {self.tree!r}: it must be kd or ball")
        if self.leaf_size < 1:
            raise UsageError(f"leaf_size is {self.leaf_size}: it must be 1 or more")

    def check(self, space: Space) -> None:
        if not isinstance(space.metric, MappedMetric):
            raise UsageError(f"the metric {space.metric.name} has no exact maps, which a tree needs: take LinearIndex")

    def build(self, rows: Rows, check_cancelled: Callable[[], None] = lambda: None) -> tuple[Rows, Tree]:
        rows = rows.sorted()
        return rows, Tree(rows, self.tree, self.leaf_size, reason=self.reason)

    def settings(self) -> dict[str, Any]:
        return {"kind": "TreeMaker", "tree": self.tree, "leaf": self.leaf_size, "why": self.reason}
