"""Space partitioning by cells (an inverted file): rows by their nearest centroid, of which few are probed. By FAISS.

Sivic & Zisserman (ICCV 2003); Jégou, Douze & Schmid (IEEE TPAMI 33, 2011, there with product quantization). Kept as
plain arrays; no reader of FAISS ever sees a file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, isqrt
from typing import Any, ClassVar, Literal, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.index.card import whole_number
from semelha.index.flat import Flat
from semelha.index.graph import check_codes, checked_ranges, walk
from semelha.index.promise import Measured, check_recall, check_seed, held_back, ladder, tuned_on_held
from semelha.index.ranking import likely
from semelha.index.rows import Found, Hidden, Rows
from semelha.index.screen import Screen, screened
from semelha.index.space import Queries, Space

LEAST = 256
SAMPLE = 64  # rows a cell that the centroids are learned from

logger = logging.getLogger(__name__)


class Cells:
    """Rows in cells.

    Parameters
    ----------
    index : faiss.IndexIVF
    quantize : {"f32", "8bit"}
        How the rows are held.
    screen : Screen
        What is compared. What is found is ranked by the vectors themselves.
    depth : Measured
        Cells that are probed, and the recall that it gave.
    """

    kind: ClassVar[str] = "cells"

    def __init__(
        self, index: faiss.IndexIVF, quantize: Literal["f32", "8bit"], screen: Screen, depth: Measured
    ) -> None:
        self.index = index
        self.quantize = quantize
        self.screen = screen
        self.depth = depth
        self._plain: dict[int, Any] = {}

    def nearest(self, rows: Rows, queries: Queries, k: int, hidden: Hidden | None = None) -> Found:
        """About the k nearest of the rows that it was made of."""

        def candidates(some: Queries, reach: int, times: float, selector: Any) -> NDArray[np.int64]:
            probes = min(self.index.nlist, ceil(times * self.depth.depth))
            return walk(self.index, self.screen.queries(some), reach, self._parameters(probes, selector))

        ordered = 10 * k if not self.screen.ordered else k
        return likely(
            rows, queries, k, hidden, candidates, reach=ordered if self.quantize == "f32" else ordered + ordered // 2
        )

    def at(self, depth: Measured) -> Cells:
        """The same cells, more or fewer of them probed."""
        return Cells(self.index, self.quantize, self.screen, depth)

    def _parameters(self, probes: int, selector: Any) -> Any:
        """What FAISS calls them; those of a plain search are made once."""
        if selector is not None:
            return faiss.SearchParametersIVF(nprobe=probes, sel=selector)
        if probes not in self._plain:
            self._plain[probes] = faiss.SearchParametersIVF(nprobe=probes)
        return self._plain[probes]

    @property
    def deepest(self) -> int:
        """All cells."""
        return int(self.index.nlist)

    def depths(self) -> list[int]:
        """From one cell to all."""
        return ladder(1, self.index.nlist)

    def card(self) -> dict[str, Any]:
        """What to keep beside the arrays."""
        return {
            "quantize": self.quantize,
            "dimension": self.index.d,
            "screen": self.screen.card(),
            "depth": self.depth.card(),
        }

    def arrays(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """The centroids, how many rows each has (they stand in that order), and the rows as they are held."""
        lists, size = self.index.invlists, self.index.code_size
        sizes = np.array([lists.list_size(cell) for cell in range(self.index.nlist)])
        codes = [faiss.rev_swig_ptr(lists.get_codes(cell), n * size) for cell, n in enumerate(sizes.tolist()) if n]
        centroids = faiss.downcast_index(self.index.quantizer).reconstruct_n(0, self.index.nlist)
        arrays = {"sizes": sizes, "centroids": centroids}
        held = np.concatenate(codes)
        if not np.array_equal(held, rows.vectors.reshape(-1).view(np.uint8)):
            arrays["codes"] = held
        if self.quantize == "8bit":
            arrays["ranges"] = faiss.vector_to_array(self.index.sq.trained)
        return arrays

    @classmethod
    def restored(cls, rows: Rows, card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """As `card` and `arrays` kept it. Raises `ValueError` or `KeyError` where they do not go together."""
        sizes, centroids = arrays["sizes"], arrays["centroids"]
        codes = arrays.get("codes", rows.vectors.reshape(-1).view(np.uint8))
        screen = Screen.restored(card["screen"], rows)
        m = whole_number(card, "dimension", 1)
        if m != screen.width(rows):
            raise ValueError("the cells compare rows of another length")
        if centroids.dtype != np.float32 or centroids.shape != (len(sizes), m) or not np.isfinite(centroids).all():
            raise ValueError("the centroids of the cells are damaged")
        if sizes.dtype != np.int64 or sizes.ndim != 1 or sizes.min() < 0 or sizes.max() > len(rows):
            raise ValueError("the cells do not hold the rows that there are")
        if sizes.sum() != len(rows):
            raise ValueError("the cells do not hold the rows that there are")
        index = empty_cells(centroids, card["quantize"])
        if codes.dtype != np.uint8 or codes.shape != (len(rows) * index.code_size,):
            raise ValueError("the rows in the cells are not those of the vectors")
        if "codes" in arrays:
            check_codes(codes, card["quantize"])
        if card["quantize"] == "8bit":
            faiss.copy_array_to_vector(checked_ranges(arrays["ranges"], m), index.sq.trained)
        index.is_trained = True
        fill(index, sizes, codes)
        return cls(index, card["quantize"], screen, Measured.restored(card["depth"], len(sizes)))

    def stats(self) -> dict[str, object]:
        """What there is to say of it."""
        return {"quantize": self.quantize, "cells": self.index.nlist, **self.depth.card()}


def empty_cells(centroids: NDArray[np.float32], quantize: str) -> faiss.IndexIVF:
    """Cells around centroids, without rows. Raises `ValueError` for an unknown quantization."""
    n, m = centroids.shape
    quantizer = faiss.IndexFlatL2(m)
    quantizer.add(np.ascontiguousarray(centroids))
    if quantize == "f32":
        index = faiss.IndexIVFFlat(quantizer, m, n)
    elif quantize == "8bit":
        index = faiss.IndexIVFScalarQuantizer(quantizer, m, n, faiss.ScalarQuantizer.QT_8bit)
    else:
        raise ValueError(f"cells hold rows as f32 or 8bit, not as {quantize}")
    return index


def fill(index: faiss.IndexIVF, sizes: NDArray[np.int64], codes: NDArray[np.uint8]) -> None:
    """Put rows, as they are held, into cells: the first so many into the first, and so on."""
    numbers, first = np.arange(sizes.sum()), 0
    for cell, size in enumerate(sizes.tolist()):
        if size:
            part = codes[first * index.code_size : (first + size) * index.code_size]
            index.invlists.add_entries(cell, size, faiss.swig_ptr(numbers[first:]), faiss.swig_ptr(part))
            first += size
    index.ntotal = len(numbers)


@dataclass(frozen=True)
class CellMaker:
    """Makes `Cells`, or a `Flat` where 8-bit rows could not keep the recall in all cells.

    Attributes
    ----------
    recall : float
        Part of the ten nearest that is to be found, on vectors that the cells have not seen.
    quantize : {"f32", "8bit"}
    cells : int, optional
        By default four times the root of the number of rows.
    seed : int
        Of the centroids, and of the draw of those vectors.
    """

    recall: float = 0.99
    quantize: Literal["f32", "8bit"] = "f32"
    cells: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_recall(self.recall)
        check_seed(self.seed)
        if self.quantize not in ("f32", "8bit"):
            raise UsageError(f"quantize is {self.quantize!r}: cells hold rows as f32 or 8bit")
        if self.cells is not None and self.cells < 1:
            raise UsageError(f"cells is {self.cells}: there is at least one")

    def check(self, space: Space) -> None:
        """Raises `UsageError` for a metric that it cannot search."""
        if space.maps is None:
            raise UsageError(f"the metric {space.metric.name} has no maps, which cells need: take LinearIndex")

    def make(self, rows: Rows, stop: Callable[[], None] = lambda: None) -> tuple[Rows, Cells | Flat]:
        """The rows in the order that the structure wants, and the structure. `stop` may raise, to end it."""
        if len(rows) < LEAST:
            rows = rows.sorted()
            return rows, Flat(rows, why=f"fewer than {LEAST} vectors")
        rows, head = held_back(rows, self.seed)
        screen, compared = screened(rows.space, rows.vectors, even=self.quantize != "f32")
        index = self._trained(compared[:head])
        stop()
        index.add(compared[:head])
        cells = Cells(index, self.quantize, screen, Measured(1, 0.0, 0.0, 0))
        depth = tuned_on_held(cells, rows, head, self.recall)
        if not depth.keeps(self.recall):
            rows, why = rows.sorted(), f"all cells give a recall of {depth.recall:.3f}, not {self.recall:g}"
            logger.warning("exact search among %d vectors: %s", len(rows), why)
            return rows, Flat(rows, why=why)
        index.add(compared[head:])
        return in_order(rows, cells.at(depth))

    def _trained(self, rows: NDArray[np.float32]) -> faiss.IndexIVF:
        n = min(len(rows), self.cells or 4 * isqrt(len(rows)))
        sample = np.random.default_rng(self.seed).permutation(len(rows))[: SAMPLE * n]
        means = faiss.Kmeans(rows.shape[1], n, seed=self.seed, min_points_per_centroid=1)
        means.train(rows[np.sort(sample)])
        index = empty_cells(means.centroids, self.quantize)
        index.train(rows[np.sort(sample)])
        return index


def in_order(rows: Rows, cells: Cells) -> tuple[Rows, Cells]:
    """The rows one cell after the other, as they are kept; and the same cells of these."""
    lists = cells.index.invlists
    sizes = np.array([lists.list_size(cell) for cell in range(cells.index.nlist)])
    order = np.concatenate(
        [faiss.rev_swig_ptr(lists.get_ids(cell), n).copy() for cell, n in enumerate(sizes.tolist()) if n]
    )
    size = cells.index.code_size
    codes = np.concatenate(
        [faiss.rev_swig_ptr(lists.get_codes(cell), n * size) for cell, n in enumerate(sizes.tolist()) if n]
    )
    cells.index.invlists.reset()
    fill(cells.index, sizes, codes)
    return rows.take(order), cells
