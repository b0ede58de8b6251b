"""Exact search in few dimensions: scikit-learn's KD-tree and ball tree over the metric's maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.index.checks import whole_number
from semelha.index.ranking import Keys, rerank_exactly
from semelha.index.rows import DeletedMask, Found, Rows, check_order
from semelha.index.space import Queries, Space
from semelha.metrics.mapped import MappedMetric

CLOSE = 1e-9  # relative difference of lengths that rounding in float64 explains
LIFTED = 1e-7  # the same if a coordinate is the root of a difference

TREES = ("kd", "ball")


class Tree:
    """A tree over the mapped rows in float64. It is not saved, but rebuilt when the index is loaded.

    A tree searches by Euclidean distance. For an inner product, rows get one more coordinate √(b − ‖ψ‖²), with b the
    largest ‖ψ‖², and queries 0: the nearest are then those with the largest product (Bachrach et al., RecSys 2014).
    """

    kind: ClassVar[str] = "tree"

    def __init__(self, rows: Rows, tree: str, leaf_size: int, *, why: str = "") -> None:
        from sklearn.neighbors import BallTree, KDTree  # slow to import, and few galleries have a tree

        self.why = why
        self.tree = tree
        self.leaf_size = leaf_size
        mapped = rows.space.map_stored_float64(rows.vectors)
        self._lifted = rows.space.product == "ip"
        if self._lifted:
            squares = (mapped**2).sum(axis=1)
            mapped = np.concatenate([mapped, np.sqrt(squares.max() - squares)[:, None]], axis=1)
        self._longest = float(np.sqrt((mapped**2).sum(axis=1).max()))
        self._bytes = mapped.nbytes
        self._tree = (KDTree if tree == "kd" else BallTree)(mapped, leaf_size=leaf_size)

    def nearest(self, rows: Rows, queries: Queries, k: int, deleted: DeletedMask | None = None) -> Found:
        def candidates(some: Queries, reach: int) -> tuple[Keys, NDArray[np.int64]]:
            mapped = some.precise
            if self._lifted:
                mapped = np.concatenate([mapped, np.zeros((len(mapped), 1))], axis=1)
            lengths, found = self._tree.query(mapped, reach)
            return lengths, found

        def rounding(some: Queries, kth: Keys) -> Keys:
            worst: Keys = (LIFTED if self._lifted else CLOSE) * (self._longest + kth)
            return worst

        return rerank_exactly(rows, queries, k, deleted, candidates, rounding)

    def header(self) -> dict[str, Any]:
        return {"tree": self.tree, "leaf": self.leaf_size, "why": self.why}

    def arrays(self, rows: Rows) -> dict[str, NDArray[Any]]:
        return {}

    @classmethod
    def restored(cls, rows: Rows, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild the tree from a saved header. Raises `ValueError` if it is invalid."""
        if header["tree"] not in TREES:
            raise ValueError(f"its tree is none of {TREES}")
        check_order(rows)
        return cls(rows, header["tree"], whole_number(header, "leaf", 1), why=str(header["why"]))

    def stats(self) -> dict[str, object]:
        return {"tree": self.tree, "bytes in memory": self._bytes, **({"why": self.why} if self.why else {})}


@dataclass(frozen=True)
class TreeBuilder:
    """Builds a `Tree`. See `TreeIndex`."""

    tree: Literal["kd", "ball"] = "kd"
    leaf_size: int = 40
    why: str = ""

    recall: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if self.tree not in TREES:
            raise UsageError(f"tree is {self.tree!r}: it must be kd or ball")
        if self.leaf_size < 1:
            raise UsageError(f"leaf_size is {self.leaf_size}: it must be 1 or more")

    def check(self, space: Space) -> None:
        if not isinstance(space.metric, MappedMetric):
            raise UsageError(f"the metric {space.metric.name} has no exact maps, which a tree needs: take LinearIndex")

    def build(self, rows: Rows, stop: Callable[[], None] = lambda: None) -> tuple[Rows, Tree]:
        rows = rows.sorted()
        return rows, Tree(rows, self.tree, self.leaf_size, why=self.why)

    def settings(self) -> dict[str, Any]:
        return {"kind": "TreeMaker", "tree": self.tree, "leaf": self.leaf_size, "why": self.why}
