"""What an approximate structure compares: rows whose Euclidean neighbors are those of the metric, or among them.

- `maps`: ψ and φ themselves, where ⊙ is the squared Euclidean distance, or the inner product and all ψ have one length.
Rows of which a quantizer is to hold numbers are filled up with zeros to a multiple of eight: FAISS is slow with others.

- `roots`: √p of histograms. They are of length 1, and their distance is Matusita's, which bounds or resembles every
  divergence: the nearest by Kullback–Leibler are among the nearest by it, so that all that is found is ranked again.
  (Its own maps, q and ln s, lead a walk astray: the ln s are of all lengths.)
- `lifted`: [ψ − m, √(b − ‖ψ − m‖²)] and [φ, 0], where ⊙ is the inner product (Bachrach et al., RecSys 2014). m, the
  mean, moves all products of a query alike; b is the largest ‖ψ − m‖². The length of φ does not matter to the order,
  but to the digits of float32: it is brought to that of ψ − m.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from semelha.index.card import number
from semelha.index.rows import Rows
from semelha.index.space import Queries, Space
from semelha.metrics import Bhattacharyya, Matusita, SquaredMatusita

By = Literal["maps", "roots", "lifted"]
LONGEST = float(np.finfo(np.float32).max)
EVEN = 8
CLOSE = 1e-6  # what rounding to float32 leaves
ORDERED = (Matusita, SquaredMatusita, Bhattacharyya)  # of the metrics of histograms: by roots their order is the same


@dataclass(frozen=True)
class Screen:
    """How rows and queries become what is compared.

    Attributes
    ----------
    by : {"maps", "roots", "lifted"}
    ordered : bool
        The order is the metric's; otherwise more must be found than is wanted.
    length : float
        Of ψ − m, as a root mean square. Only for `lifted`.
    even : bool
        Filled up with zeros.
    """

    by: By
    ordered: bool
    length: float = 1.0
    even: bool = False

    def queries(self, queries: Queries) -> NDArray[np.float32]:
        """(q, m')."""
        if self.by == "lifted":
            compared = self._lifted(queries)
        else:
            compared = queries.roots if self.by == "roots" else queries.mapped
        return filled(compared) if self.even else compared

    def _lifted(self, queries: Queries) -> NDArray[np.float32]:
        lengths = np.sqrt(np.einsum("qm,qm->q", queries.precise, queries.precise))
        scaled = queries.precise * (self.length / np.maximum(lengths, np.finfo(np.float64).tiny))[:, None]
        lifted = np.zeros((len(queries), scaled.shape[1] + 1), np.float32)
        lifted[:, :-1] = scaled
        return lifted

    def card(self) -> dict[str, Any]:
        """What to keep of it."""
        return {"by": self.by, "ordered": self.ordered, "length": self.length, "even": self.even}

    @classmethod
    def restored(cls, card: Mapping[str, Any], rows: Rows) -> Self:
        """As `card` kept it. Raises `ValueError` or `KeyError` where that cannot be."""
        by, ordered, length = card["by"], card["ordered"], number(card, "length", 0, LONGEST)
        if by not in fitting(rows.space) or ordered is not is_ordered(rows.space) or not length:
            raise ValueError("the rows are not compared as this metric asks for")
        return cls(by, ordered, length, bool(card["even"]))

    def width(self, rows: Rows) -> int:
        """m', the length of what is compared of these rows."""
        one = rows.vectors[:1]
        width: int = (one if self.by == "roots" else rows.space.stored(one)).shape[1]
        width += self.by == "lifted"
        return -(-width // EVEN) * EVEN if self.even else width


def fitting(space: Space) -> tuple[By, ...]:
    """How the rows of a metric with maps may be compared."""
    if space.metric.domain == "histograms":
        return ("roots",)
    return ("maps",) if space.product == "l2sq" else ("maps", "lifted")


def is_ordered(space: Space) -> bool:
    """The order of the screen is that of the metric."""
    return space.metric.domain != "histograms" or isinstance(space.metric, ORDERED)


def screened(space: Space, vectors: NDArray[np.float32], *, even: bool = False) -> tuple[Screen, NDArray[np.float32]]:
    """The screen for vectors (n, d), and these as they are compared: (n, m'); the same array where nothing changes.

    With `even`, the rows are filled up with zeros as a quantizer likes them.
    """
    screen, compared = _screened(space, vectors)
    return (replace(screen, even=True), filled(compared)) if even else (screen, compared)


def filled(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """With zeros up to a multiple of eight numbers: (n, m) → (n, m')."""
    lacking = -rows.shape[1] % EVEN
    return np.pad(rows, ((0, 0), (0, lacking))) if lacking else rows


def _screened(space: Space, vectors: NDArray[np.float32]) -> tuple[Screen, NDArray[np.float32]]:
    ways, ordered = fitting(space), is_ordered(space)
    if ways == ("roots",):
        return Screen("roots", ordered), np.sqrt(vectors)
    mapped = space.stored(vectors)
    if ways == ("maps",) or _level(mapped):
        # Unit vectors stay themselves but for rounding: no need to hold them twice.
        return Screen("maps", ordered), vectors if _alike(mapped, vectors) else mapped
    centered = mapped - mapped.mean(axis=0, dtype=np.float64).astype(np.float32)
    squares = np.einsum("nm,nm->n", centered, centered)
    lift = np.sqrt(np.maximum(squares.max() - squares, 0))
    length = float(np.sqrt(squares.mean(dtype=np.float64))) or 1.0
    return Screen("lifted", ordered, length), np.concatenate([centered, lift[:, None]], axis=1)


def _level(mapped: NDArray[np.float32]) -> bool:
    """All rows are of one length."""
    squares = np.einsum("nm,nm->n", mapped, mapped)
    return bool(squares.max() - squares.min() <= CLOSE * squares.max())


def _alike(mapped: NDArray[np.float32], vectors: NDArray[np.float32]) -> bool:
    return mapped is vectors or (mapped.shape == vectors.shape and bool(np.allclose(mapped, vectors, CLOSE, CLOSE)))
