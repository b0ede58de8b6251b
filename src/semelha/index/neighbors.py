"""What an index takes and gives."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vectors = NDArray[np.floating[Any]]
LARGEST = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The nearest stored vectors of each query.

    Attributes
    ----------
    ids : (queries, k) int64
        Nearest first, ties by id; −1 where fewer than k are stored.
    distances : (queries, k) float64
        In the metric's own unit; infinite beside −1.
    """

    ids: NDArray[np.int64]
    distances: NDArray[np.float64]


def whole_ids(ids: ArrayLike) -> NDArray[np.int64]:
    """Ids as they are compared. Raises `ValueError` for what names none: fractions, or a mask."""
    numbers = np.asarray(ids)
    if numbers.size and (numbers.dtype.kind not in "iu" or (numbers.dtype.kind == "u" and numbers.max() > LARGEST)):
        raise ValueError(f"ids are whole numbers below 2**63, not {numbers.dtype}")
    return numbers.astype(np.int64, copy=False)


class Index(Protocol):
    """Stored vectors by id, and search among them."""

    def build(self, ids: NDArray[np.int64], vectors: Vectors) -> None:
        """Hold these and nothing else: (n,) and (n, d)."""
        ...

    def add(self, ids: NDArray[np.int64], vectors: Vectors) -> None:
        """Hold these too. An id that is held already raises `ValueError`."""
        ...

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Let go of these. An id that is not held raises `KeyError`."""
        ...

    def search(self, queries: Vectors, k: int, within: NDArray[np.int64] | None = None) -> Neighbors:
        """The k nearest of each query (queries, d), among all or among the ids `within`."""
        ...

    def save(self, folder: str | os.PathLike[str], *, generation: int = 0, fingerprint: str = "") -> None:
        """Make a folder hold what is held now. `IndexFileError` where it cannot be written."""
        ...

    def load(self, folder: str | os.PathLike[str], *, fingerprint: str = "") -> int:
        """Hold what was saved in a folder; its generation. `IndexFileError` for all that is not as it was saved."""
        ...

    def stats(self) -> dict[str, object]:
        """What it holds, and how."""
        ...

    def __len__(self) -> int: ...
