"""Approximate search in an inverted file (IVF) of FAISS: rows grouped by their nearest centroid.

Sivic & Zisserman (ICCV 2003); Jégou, Douze & Schmid (IEEE TPAMI 33, 2011, there with product quantization). The cells
are saved as plain arrays, which are checked before FAISS uses them: FAISS reads no file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any, ClassVar, Literal, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.index.checks import check_recall, check_seed, whole_number
from semelha.index.exact import Flat, FlatBuilder
from semelha.index.graph import check_codes, checked_ranges
from semelha.index.recall import Approximate, MeasuredRecall, depth_ladder, hold_out, tune_on_held_out
from semelha.index.rows import Rows
from semelha.index.settings import settings
from semelha.index.space import Space
from semelha.index.transform import SearchTransform, fit_search_transform

SAMPLE = 64  # rows per cell that the centroids are learned from

logger = logging.getLogger(__name__)


class Cells(Approximate):
    """An inverted file over rows; `depth` is the number of cells to search (`nprobe`) and its recall."""

    kind: ClassVar[str] = "cells"

    def _full_depth(self) -> int:
        return int(self.index.nlist)

    def _parameters(self, depth: int, **selector: Any) -> faiss.SearchParameters:
        return faiss.SearchParametersIVF(nprobe=depth, **selector)

    def _n_candidates(self, k: int) -> int:
        n_candidates = k if self.transform.keeps_order else 10 * k
        return n_candidates + n_candidates // 2 if self.quantize == "8bit" else n_candidates

    @property
    def deepest(self) -> int:
        return int(self.index.nlist)

    def depths(self) -> list[int]:
        return depth_ladder(1, self.index.nlist)

    def header(self) -> dict[str, Any]:
        return {
            "quantize": self.quantize,
            "dimension": self.index.d,
            "screen": self.transform.header(),
            "depth": self.depth.header(),
        }

    def arrays(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """Centroids, sizes of the cells (rows are in the order of cells), and the codes unless they are the vectors."""
        sizes, codes = _contents(self.index)
        centroids = faiss.downcast_index(self.index.quantizer).reconstruct_n(0, self.index.nlist)
        arrays = {"sizes": sizes, "centroids": centroids}
        if not np.array_equal(codes, rows.vectors.reshape(-1).view(np.uint8)):
            arrays["codes"] = codes
        if self.quantize == "8bit":
            arrays["ranges"] = faiss.vector_to_array(self.index.sq.trained)
        return arrays

    @classmethod
    def restore(cls, rows: Rows, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read a saved header and arrays. Raises `ValueError` or `KeyError` if they do not fit together."""
        sizes, centroids = arrays["sizes"], arrays["centroids"]
        codes = arrays.get("codes", rows.vectors.reshape(-1).view(np.uint8))
        transform = SearchTransform.restore(header["screen"], rows)
        m = whole_number(header, "dimension", 1)
        if m != transform.width(rows):
            raise ValueError("its dimension is not that of the transformed rows")
        if centroids.dtype != np.float32 or centroids.shape != (len(sizes), m) or not np.isfinite(centroids).all():
            raise ValueError("the centroids of its cells are invalid")
        is_valid = sizes.dtype == np.int64 and sizes.ndim == 1 and sizes.min() >= 0 and sizes.max() <= len(rows)
        if not is_valid or sizes.sum() != len(rows):
            raise ValueError("the sizes of its cells do not add up to its rows")
        index = empty_cells(centroids, header["quantize"])
        if codes.dtype != np.uint8 or codes.shape != (len(rows) * index.code_size,):
            raise ValueError("the codes of its cells are invalid")
        if "codes" in arrays:
            check_codes(codes, header["quantize"])
        if header["quantize"] == "8bit":
            faiss.copy_array_to_vector(checked_ranges(arrays["ranges"], m), index.sq.trained)
        index.is_trained = True
        fill(index, sizes, codes)
        return cls(index, header["quantize"], transform, MeasuredRecall.restore(header["depth"], len(sizes)))

    def stats(self) -> dict[str, object]:
        return {"quantize": self.quantize, "cells": self.index.nlist, **self.depth.header()}


def empty_cells(centroids: NDArray[np.float32], quantize: str) -> faiss.IndexIVF:
    """An inverted file without rows. Raises `ValueError` for an unknown quantization."""
    n, m = centroids.shape
    quantizer = faiss.IndexFlatL2(m)
    quantizer.add(np.ascontiguousarray(centroids))
    if quantize == "f32":
        index = faiss.IndexIVFFlat(quantizer, m, n)
    elif quantize == "8bit":
        index = faiss.IndexIVFScalarQuantizer(quantizer, m, n, faiss.ScalarQuantizer.QT_8bit)
    else:
        raise ValueError(f"quantize is {quantize!r}: it must be f32 or 8bit")
    return index


def fill(index: faiss.IndexIVF, sizes: NDArray[np.int64], codes: NDArray[np.uint8]) -> None:
    """Add encoded rows, in the order of cells, to cells of these sizes."""
    numbers, first = np.arange(sizes.sum()), 0
    for cell, size in enumerate(sizes.tolist()):
        if size:
            part = codes[first * index.code_size : (first + size) * index.code_size]
            index.invlists.add_entries(cell, size, faiss.swig_ptr(numbers[first:]), faiss.swig_ptr(part))
            first += size
    index.ntotal = len(numbers)


@dataclass(frozen=True)
class CellBuilder:
    """Builds `Cells`; or a `Flat` of few rows, or if 8-bit rows cannot keep the recall in all cells. See `IVFIndex`."""

    recall: float = 0.99
    quantize: Literal["f32", "8bit"] = "f32"
    n_cells: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_recall(self.recall)
        check_seed(self.seed)
        if self.quantize not in ("f32", "8bit"):
            raise UsageError(f"quantize is {self.quantize!r}: it must be f32 or 8bit")
        if self.n_cells is not None and self.n_cells < 1:
            raise UsageError(f"n_cells is {self.n_cells}: it must be 1 or more")

    def check(self, space: Space) -> None:
        if space.maps is None:
            raise UsageError(f"the metric {space.metric.name} has no maps, which an IVF index needs: take LinearIndex")

    def build(self, rows: Rows, check_cancelled: Callable[[], None] = lambda: None) -> tuple[Rows, Cells | Flat]:
        if len(rows) < settings.min_rows:
            return FlatBuilder(f"fewer than {settings.min_rows} vectors").build(rows)
        rows, head = hold_out(rows, self.seed)
        transform, compared = fit_search_transform(rows.space, rows.vectors, pad=self.quantize != "f32")
        index = self._trained(compared[:head])
        check_cancelled()
        index.add(compared[:head])
        cells = Cells(index, self.quantize, transform, MeasuredRecall(1, 0.0, 0.0, 0))
        depth = tune_on_held_out(cells, rows, head, self.recall)
        if not depth.keeps(self.recall):
            reason = f"all cells give a recall of {depth.recall:.3f}, not {self.recall:g}"
            logger.warning("exact search among %d vectors: %s", len(rows), reason)
            return FlatBuilder(reason).build(rows)
        index.add(compared[head:])
        return sort_by_cell(rows, cells.at(depth))

    def settings(self) -> dict[str, Any]:
        names = {"kind": "CellMaker", "recall": self.recall, "quantize": self.quantize}
        return {**names, "cells": self.n_cells, "seed": self.seed}

    def _trained(self, rows: NDArray[np.float32]) -> faiss.IndexIVF:
        n = min(len(rows), self.n_cells or 4 * isqrt(len(rows)))
        sample = np.random.default_rng(self.seed).permutation(len(rows))[: SAMPLE * n]
        means = faiss.Kmeans(rows.shape[1], n, seed=self.seed, min_points_per_centroid=1)
        means.train(rows[np.sort(sample)])
        index = empty_cells(means.centroids, self.quantize)
        index.train(rows[np.sort(sample)])
        return index


def sort_by_cell(rows: Rows, cells: Cells) -> tuple[Rows, Cells]:
    """Sort the rows by cell, as they are saved, and renumber them in the cells."""
    lists = cells.index.invlists
    sizes, codes = _contents(cells.index)
    order = np.concatenate([faiss.rev_swig_ptr(lists.get_ids(cell), n) for cell, n in enumerate(sizes.tolist()) if n])
    lists.reset()
    fill(cells.index, sizes, codes)
    return rows.take(order), cells


def _contents(index: faiss.IndexIVF) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Sizes of the cells and the codes of their rows, copied."""
    lists, size = index.invlists, index.code_size
    sizes = np.array([lists.list_size(cell) for cell in range(index.nlist)])
    codes = [faiss.rev_swig_ptr(lists.get_codes(cell), n * size) for cell, n in enumerate(sizes.tolist()) if n]
    return sizes, np.concatenate(codes)
