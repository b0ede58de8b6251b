"""The linear scan: every stored vector is compared, by FAISS on the metric's maps, and nothing is lost to rounding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from semelha.index.ranking import Keys, certain
from semelha.index.rows import Found, Hidden, Rows, check_numbers, check_order
from semelha.index.space import Queries, Space
from semelha.metrics.mapped import MappedMetric

BLOCK = 1 << 14


class Flat:
    """Rows as the maps have them. For a metric without exact maps: as `Metric.nearest` scans.

    Parameters
    ----------
    rows : Rows
        In the order of ids.
    mapped : (n, m) float32, optional
        What the maps make of them, where it is known.
    why : str
        Why a scan was chosen.
    """

    kind: ClassVar[str] = "linear"

    def __init__(self, rows: Rows, mapped: NDArray[np.float32] | None = None, *, why: str = "") -> None:
        self.why = why
        self.mapped: NDArray[np.float32] | None = None
        self._longest = 0.0
        if isinstance(rows.space.metric, MappedMetric):
            self.mapped = rows.space.stored(rows.vectors) if mapped is None else mapped
            self._longest = _longest(self.mapped)

    def nearest(self, rows: Rows, queries: Queries, k: int, hidden: Hidden | None = None) -> Found:
        """The k nearest of the rows that it was made of."""
        mapped, product = self.mapped, rows.space.maps.product if rows.space.maps else ""
        if mapped is None:
            return rows.scanned(queries, k, hidden)

        def candidates(some: Queries, reach: int) -> tuple[Keys, NDArray[np.int64]]:
            return scan(some.mapped, mapped, reach, product)

        def rounding(some: Queries, kth: Keys) -> Keys:
            squares = np.einsum("qm,qm->q", some.mapped, some.mapped)
            longest = self._longest
            scale = np.sqrt(squares) * longest if product == "ip" else 2 * (squares + longest**2)
            worst: Keys = scale * (some.mapped.shape[1] + 8) * np.finfo(np.float32).eps
            return worst

        return certain(rows, queries, k, hidden, candidates, rounding)

    def card(self) -> dict[str, Any]:
        """What to keep beside the arrays."""
        return {"why": self.why}

    def arrays(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """The mapped rows, unless they are the vectors."""
        return {} if self.mapped is None or self.mapped is rows.vectors else {"mapped": self.mapped}

    @classmethod
    def restored(cls, rows: Rows, card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """As `card` and `arrays` kept it. Raises `ValueError` where they do not go together."""
        mapped, why = arrays.get("mapped"), card["why"]
        check_order(rows)
        if mapped is not None:
            shape = (len(rows), rows.space.stored(rows.vectors[:1]).shape[1])
            if mapped.dtype != np.float32 or mapped.shape != shape:
                raise ValueError("the mapped rows are not those of the vectors")
            check_numbers(mapped)
        if not isinstance(why, str):
            raise ValueError("it does not say why")
        return cls(rows, mapped, why=why)

    def stats(self) -> dict[str, object]:
        """What there is to say of it."""
        return {"why": self.why} if self.why else {}


@dataclass(frozen=True)
class FlatMaker:
    """Makes a `Flat`.

    Attributes
    ----------
    why : str
        Why a scan was chosen.
    """

    why: str = ""

    recall: ClassVar[float] = 1.0

    def check(self, space: Space) -> None:
        """Every metric can be scanned."""

    def make(self, rows: Rows, stop: Callable[[], None] = lambda: None) -> tuple[Rows, Flat]:
        """The rows in the order that the structure wants, and the structure."""
        rows = rows.sorted()
        return rows, Flat(rows, why=self.why)


def scan(
    queries: NDArray[np.float32], stored: NDArray[np.float32], k: int, product: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Products and rows of the k nearest by ⊙, nearest first: (q, m), (n, m) → (q, k) twice."""
    metric = faiss.METRIC_INNER_PRODUCT if product == "ip" else faiss.METRIC_L2
    products, rows = faiss.knn(queries, stored, k, metric)
    return products, rows


def _longest(mapped: NDArray[np.float32]) -> float:
    lengths = (np.linalg.norm(mapped[start : start + BLOCK], axis=1).max() for start in range(0, len(mapped), BLOCK))
    return float(max(lengths, default=0.0))
