"""Space partitioning, exact: scikit-learn's KD-tree and ball tree on the metric's maps. For few dimensions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.index.card import whole_number
from semelha.index.ranking import Keys, certain
from semelha.index.rows import Found, Hidden, Rows, check_order
from semelha.index.space import Queries, Space
from semelha.metrics.mapped import MappedMetric

CLOSE = 1e-9  # of the lengths: what rounding of float64 may exchange
LIFTED = 1e-7  # the same where a coordinate is the root of a difference

TREES = ("kd", "ball")


class Tree:
    """A tree over the mapped rows in float64; it is not kept on the disk but grown again, which takes a moment.

    A tree knows Euclidean distances alone. Where ⊙ is the inner product, √(b − ‖ψ‖²) is one more coordinate, 0 in the
    query's, with b the largest ‖ψ‖²: the nearest are then those with the largest product (Bachrach et al., RecSys
    2014).

    Parameters
    ----------
    rows : Rows
        In the order of ids.
    tree : {"kd", "ball"}
    leaf : int
        Rows of a leaf.
    why : str
        Why a tree was chosen.
    """

    kind: ClassVar[str] = "tree"

    def __init__(self, rows: Rows, tree: str, leaf: int, *, why: str = "") -> None:
        from sklearn.neighbors import BallTree, KDTree  # late: slow to import, and few galleries have a tree

        self.why = why
        self.tree = tree
        self.leaf = leaf
        mapped = rows.space.stored_precisely(rows.vectors)
        self._lifted = rows.space.product == "ip"
        if self._lifted:
            squares = (mapped**2).sum(axis=1)
            mapped = np.concatenate([mapped, np.sqrt(squares.max() - squares)[:, None]], axis=1)
        self._longest = float(np.sqrt((mapped**2).sum(axis=1).max()))
        self._bytes = mapped.nbytes
        self._tree = (KDTree if tree == "kd" else BallTree)(mapped, leaf_size=leaf)

    def nearest(self, rows: Rows, queries: Queries, k: int, hidden: Hidden | None = None) -> Found:
        """The k nearest of the rows that it was made of."""

        def candidates(some: Queries, reach: int) -> tuple[Keys, NDArray[np.int64]]:
            mapped = some.precise
            if self._lifted:
                mapped = np.concatenate([mapped, np.zeros((len(mapped), 1))], axis=1)
            lengths, found = self._tree.query(mapped, reach)
            return lengths, found

        def rounding(some: Queries, kth: Keys) -> Keys:
            worst: Keys = (LIFTED if self._lifted else CLOSE) * (self._longest + kth)
            return worst

        return certain(rows, queries, k, hidden, candidates, rounding)

    def card(self) -> dict[str, Any]:
        """What to keep of it."""
        return {"tree": self.tree, "leaf": self.leaf, "why": self.why}

    def arrays(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """Nothing: it is grown again."""
        return {}

    @classmethod
    def restored(cls, rows: Rows, card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """As `card` kept it. Raises `ValueError` where that cannot be."""
        if card["tree"] not in TREES:
            raise ValueError("there is no such tree")
        check_order(rows)
        return cls(rows, card["tree"], whole_number(card, "leaf", 1), why=str(card["why"]))

    def stats(self) -> dict[str, object]:
        """What there is to say of it."""
        return {"tree": self.tree, "bytes in memory": self._bytes, **({"why": self.why} if self.why else {})}


@dataclass(frozen=True)
class TreeMaker:
    """Makes a `Tree`.

    Attributes
    ----------
    tree : {"kd", "ball"}
    leaf : int
        Rows of a leaf.
    why : str
        Why a tree was chosen.
    """

    tree: Literal["kd", "ball"] = "kd"
    leaf: int = 40
    why: str = ""

    recall: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if self.tree not in TREES or self.leaf < 1:
            raise UsageError(f"tree is {self.tree!r}, leaf {self.leaf}: a tree is kd or ball, and a leaf 1 row or more")

    def check(self, space: Space) -> None:
        """Raises `UsageError` for a metric that it cannot search."""
        if not isinstance(space.metric, MappedMetric):
            raise UsageError(f"the metric {space.metric.name} has no exact maps, which a tree needs: take LinearIndex")

    def make(self, rows: Rows, stop: Callable[[], None] = lambda: None) -> tuple[Rows, Tree]:
        """The rows in the order that the structure wants, and the structure."""
        rows = rows.sorted()
        return rows, Tree(rows, self.tree, self.leaf, why=self.why)
