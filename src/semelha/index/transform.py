"""Transform vectors for approximate search, so that Euclidean neighbors are those of the metric, or contain them.

- `maps`: ψ of stored vectors and φ of queries, if they are compared by squared Euclidean distance, or by inner product
  and all ψ have the same norm.
- `roots`: √p of histograms. They have norm 1, and their distance is Matusita's, which bounds or resembles every
  divergence: the nearest by Kullback–Leibler are among the nearest by it, so that candidates are re-ranked.
  (The maps q and ln s lead a graph search astray: the ln s have all norms.)
- `lifted`: [ψ − m, √(b − ‖ψ − m‖²)] and [φ, 0] for other inner products (Bachrach et al., RecSys 2014). The mean m
  shifts all products of a query alike; b is the largest ‖ψ − m‖². φ is scaled to the norm of ψ − m, which changes
  no order and saves digits of float32.

Rows that are quantized are padded with zeros to a multiple of eight, since FAISS is slow with other dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from semelha.index.checks import number
from semelha.index.rows import Rows
from semelha.index.space import Queries, Space

By = Literal["maps", "roots", "lifted"]
MAX_FLOAT32 = float(np.finfo(np.float32).max)
PADDED_MULTIPLE = 8
FLOAT32_TOLERANCE = 1e-6  # relative difference that rounding to float32 explains


@dataclass(frozen=True)
class SearchTransform:
    """How stored vectors and queries are transformed.

    `keeps_order` says whether Euclidean distances have the metric's order; otherwise more candidates must be re-ranked.
    `norm` is the root mean square norm of ψ − m, only for `lifted`. `is_padded` rows are padded with zeros.
    """

    by: By
    keeps_order: bool
    norm: float = 1.0
    is_padded: bool = False

    def queries(self, queries: Queries) -> NDArray[np.float32]:
        """Transformed queries: (q, m')."""
        if self.by == "lifted":
            compared = self._lift(queries)
        else:
            compared = queries.roots if self.by == "roots" else queries.mapped
        return _pad(compared) if self.is_padded else compared

    def _lift(self, queries: Queries) -> NDArray[np.float32]:
        norms = np.sqrt(np.einsum("qm,qm->q", queries.precise, queries.precise))
        scaled = queries.precise * (self.norm / np.maximum(norms, np.finfo(np.float64).tiny))[:, None]
        lifted = np.zeros((len(queries), scaled.shape[1] + 1), np.float32)
        lifted[:, :-1] = scaled
        return lifted

    def header(self) -> dict[str, Any]:
        """The attributes, for JSON."""
        return {"by": self.by, "ordered": self.keeps_order, "length": self.norm, "even": self.is_padded}

    @classmethod
    def restore(cls, header: Mapping[str, Any], rows: Rows) -> Self:
        """Restore a transform. Raises `ValueError` or `KeyError` if the saved header does not suit the metric."""
        by, keeps_order, norm = header["by"], header["ordered"], number(header, "length", 0, MAX_FLOAT32)
        if by not in _choices(rows.space) or not norm:
            raise ValueError("its transform does not suit the metric")
        if type(keeps_order) is not bool or (keeps_order and not _keeps_order(rows.space)):
            raise ValueError("its transform does not keep the order that it claims")
        return cls(by, keeps_order, norm, bool(header["even"]))

    def width(self, rows: Rows) -> int:
        """m', the dimension of these rows after the transform."""
        one = rows.vectors[:1]
        width: int = (one if self.by == "roots" else rows.space.map_stored(one)).shape[1]
        width += self.by == "lifted"
        return -(-width // PADDED_MULTIPLE) * PADDED_MULTIPLE if self.is_padded else width


def _choices(space: Space) -> tuple[By, ...]:
    """Transforms that suit a metric with maps."""
    if space.metric.domain == "histograms":
        return ("roots",)
    return ("maps",) if space.product == "l2sq" else ("maps", "lifted")


def _keeps_order(space: Space) -> bool:
    return space.metric.domain != "histograms" or space.metric.has_root_maps


def fit_search_transform(
    space: Space, vectors: NDArray[np.float32], *, pad: bool = False
) -> tuple[SearchTransform, NDArray[np.float32]]:
    """Choose the transform for stored vectors (n, d), and apply it: (n, m'); the same array if it changes nothing.

    With `pad`, rows are padded with zeros for a quantizer.
    """
    transform, compared = _fit(space, vectors)
    return (replace(transform, is_padded=True), _pad(compared)) if pad else (transform, compared)


def _pad(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    missing = -rows.shape[1] % PADDED_MULTIPLE
    return np.pad(rows, ((0, 0), (0, missing))) if missing else rows


def _fit(space: Space, vectors: NDArray[np.float32]) -> tuple[SearchTransform, NDArray[np.float32]]:
    choices, keeps_order = _choices(space), _keeps_order(space)
    if choices == ("roots",):
        return SearchTransform("roots", keeps_order), np.sqrt(vectors)
    mapped = space.map_stored(vectors)
    if choices == ("maps",) or _have_equal_norms(mapped):
        # Maps of unit vectors differ by rounding only: they need not be stored twice.
        return SearchTransform("maps", keeps_order), vectors if _are_close(mapped, vectors) else mapped
    centered = mapped - mapped.mean(axis=0, dtype=np.float64).astype(np.float32)
    squares = np.einsum("nm,nm->n", centered, centered)
    lift = np.sqrt(np.maximum(squares.max() - squares, 0))
    norm = float(np.sqrt(squares.mean(dtype=np.float64))) or 1.0
    return SearchTransform("lifted", keeps_order, norm), np.concatenate([centered, lift[:, None]], axis=1)


def _have_equal_norms(mapped: NDArray[np.float32]) -> bool:
    squares = np.einsum("nm,nm->n", mapped, mapped)
    return bool(squares.max() - squares.min() <= FLOAT32_TOLERANCE * squares.max())


def _are_close(mapped: NDArray[np.float32], vectors: NDArray[np.float32]) -> bool:
    return mapped is vectors or (
        mapped.shape == vectors.shape and bool(np.allclose(mapped, vectors, FLOAT32_TOLERANCE, FLOAT32_TOLERANCE))
    )
