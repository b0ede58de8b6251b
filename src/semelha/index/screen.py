"""What an approximate structure compares: rows whose Euclidean neighbors are those of the metric, or among them.

- `maps`: ψ and φ themselves, where ⊙ is the squared Euclidean distance, or the inner product and all ψ have one length.
- `roots`: √p of histograms. They are of length 1, and their distance is Matusita's, which bounds or resembles every
  divergence: the nearest by Kullback–Leibler are among the nearest by it, so that all that is found is ranked again.
  (Its own maps, q and ln s, lead a walk astray: the ln s are of all lengths.)
- `lifted`: [ψ − m, √(b − ‖ψ − m‖²)] and [φ, 0], where ⊙ is the inner product (Bachrach et al., RecSys 2014). m, the
  mean, moves all products of a query alike; b is the largest ‖ψ − m‖². The length of φ does not matter to the order,
  but to the digits of float32: it is brought to that of ψ − m.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from semelha.index.space import Queries, Space
from semelha.metrics import Bhattacharyya, Matusita, SquaredMatusita

By = Literal["maps", "roots", "lifted"]
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
    """

    by: By
    ordered: bool
    length: float = 1.0

    def queries(self, queries: Queries) -> NDArray[np.float32]:
        """(q, m')."""
        if self.by == "roots":
            return queries.roots
        if self.by == "maps":
            return queries.mapped
        lengths = np.sqrt(np.einsum("qm,qm->q", queries.precise, queries.precise))
        scaled = queries.precise * (self.length / np.maximum(lengths, np.finfo(np.float64).tiny))[:, None]
        lifted = np.zeros((len(queries), scaled.shape[1] + 1), np.float32)
        lifted[:, :-1] = scaled
        return lifted

    def card(self) -> dict[str, Any]:
        """What to keep of it."""
        return {"by": self.by, "ordered": self.ordered, "length": self.length}

    @classmethod
    def restored(cls, card: Mapping[str, Any], space: Space) -> Self:
        """As `card` kept it. Raises `ValueError` or `KeyError` where that cannot be."""
        screen = cls(card["by"], bool(card["ordered"]), float(card["length"]))
        if screen.by not in fitting(space) or screen.ordered != is_ordered(space) or not 0 < screen.length < np.inf:
            raise ValueError("the rows are not compared as this metric asks for")
        return screen


def fitting(space: Space) -> tuple[By, ...]:
    """How the rows of a metric with maps may be compared."""
    if space.metric.domain == "histograms":
        return ("roots",)
    return ("maps",) if space.product == "l2sq" else ("maps", "lifted")


def is_ordered(space: Space) -> bool:
    """The order of the screen is that of the metric."""
    return space.metric.domain != "histograms" or isinstance(space.metric, ORDERED)


def screened(space: Space, vectors: NDArray[np.float32]) -> tuple[Screen, NDArray[np.float32]]:
    """The screen for vectors (n, d), and these as they are compared: (n, m'); the same array where nothing changes."""
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
