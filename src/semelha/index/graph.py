"""Approximate search in an HNSW graph of FAISS: a graph of near neighbors in layers, searched greedily from the top.

Malkov & Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World
graphs" (IEEE TPAMI 42, 2020). The graph is saved as plain arrays, which are checked before FAISS gets views of them:
FAISS reads no file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.index.checks import check_numbers, check_recall, check_seed, whole_number
from semelha.index.exact import Flat, FlatBuilder
from semelha.index.ranking import K
from semelha.index.recall import Approximate, MeasuredRecall, depth_ladder, hold_out, tune_on_held_out
from semelha.index.rows import Rows
from semelha.index.settings import settings
from semelha.index.space import Space
from semelha.index.transform import SearchTransform, fit_search_transform

Quantize = Literal["f32", "f16", "8bit"]
QUANTIZERS = {"f16": faiss.ScalarQuantizer.QT_fp16, "8bit": faiss.ScalarQuantizer.QT_8bit}
MAX_M = 512
MAX_DEPTH = 4096
UNOWNED = faiss.MaybeOwnedVectorUInt8()  # has no owner; as the owner of a view it makes FAISS free nothing
ROWS_PER_STEP = 200  # rows that are scanned in about the time of one step of depth
SAMPLE = 1 << 17  # rows that the ranges of 8-bit numbers are taken from

logger = logging.getLogger(__name__)


class Graph(Approximate):
    """An HNSW graph over rows.

    Rows have M links in the upper layers and 2 M in the lowest. `depth` is the search depth (`efSearch`) and its
    recall. `views` are arrays whose memory `index` uses, `reason` is the reason for the graph, for `Index.stats`.
    """

    kind: ClassVar[str] = "hnsw"

    def __init__(
        self,
        index: faiss.IndexHNSW,
        M: int,
        quantize: Quantize,
        transform: SearchTransform,
        depth: MeasuredRecall,
        views: tuple[Any, ...] = (),
        *,
        reason: str = "",
    ) -> None:
        super().__init__(index, quantize, transform, depth)
        self.reason = reason
        self.M = M
        self._views = views

    def _full_depth(self) -> int:
        return int(self.index.ntotal)

    def _parameters(self, depth: int, **selector: Any) -> faiss.SearchParameters:
        return faiss.SearchParametersHNSW(efSearch=depth, **selector)

    def _n_candidates(self, k: int) -> int:
        """Candidates to re-rank: more if rows are quantized, all of the search if the transform has another order."""
        if not self.transform.keeps_order:
            return max(k, self.depth.depth * k // K)
        return k if self.quantize == "f32" else k + k // 2

    @property
    def deepest(self) -> int:
        return MAX_DEPTH

    def depths(self) -> list[int]:
        """Depths to try: from the number of neighbors to where a scan is faster."""
        return depth_ladder(K, max(2 * K, min(MAX_DEPTH, self.index.ntotal // ROWS_PER_STEP)))

    def header(self) -> dict[str, Any]:
        hnsw = self.index.hnsw
        return {
            "links": self.M,
            "quantize": self.quantize,
            "entry": hnsw.entry_point,
            "dimension": self.index.d,
            "screen": self.transform.header(),
            "depth": self.depth.header(),
            "why": self.reason,
        }

    def arrays(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """The graph, and its encoded rows unless they are the vectors."""
        hnsw, storage = self.index.hnsw, faiss.downcast_index(self.index.storage)
        arrays = {
            "levels": faiss.vector_to_array(hnsw.levels).astype(np.uint8),
            "neighbors": _array(hnsw.neighbors),
        }
        if self.quantize == "8bit":
            arrays["ranges"] = faiss.vector_to_array(storage.sq.trained)
        codes = _array(storage.codes)
        if not np.shares_memory(codes, rows.vectors):
            arrays["codes"] = codes
        return arrays

    @classmethod
    def restore(cls, rows: Rows, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read a saved header and arrays. Raises `ValueError` or `KeyError` if they do not fit together."""
        M, quantize = whole_number(header, "links", 2, MAX_M), header["quantize"]
        transform = SearchTransform.restore(header["screen"], rows)
        m = whole_number(header, "dimension", 1)
        if m != transform.width(rows):
            raise ValueError("its dimension is not that of the transformed rows")
        index = empty_graph(m, M, quantize)
        codes = arrays["codes"] if "codes" in arrays else rows.vectors.reshape(-1).view(np.uint8)
        storage = faiss.downcast_index(index.storage)
        levels, neighbors = arrays["levels"], arrays["neighbors"]
        most = index.hnsw.cum_nneighbor_per_level.size() - 1
        if levels.dtype != np.uint8 or levels.shape != (len(rows),) or levels.min() < 1 or levels.max() > most:
            raise ValueError("the layers of its graph are invalid")
        levels = levels.astype(np.int32)
        entry = whole_number(header, "entry", 0, len(rows) - 1)
        _check_graph(M, levels, neighbors, entry)
        if codes.dtype != np.uint8 or codes.shape != (len(rows) * storage.code_size,):
            raise ValueError("the codes of its graph are invalid")
        if "codes" in arrays:
            check_codes(codes, quantize)
        if quantize == "8bit":
            faiss.copy_array_to_vector(checked_ranges(arrays["ranges"], m), storage.sq.trained)
        share(index, codes)
        storage.is_trained = index.is_trained = True
        storage.ntotal = index.ntotal = len(rows)
        hnsw = index.hnsw
        hnsw.neighbors = faiss.MaybeOwnedVectorInt32.create_view(
            faiss.swig_ptr(neighbors), neighbors.size, UNOWNED.owner
        )
        faiss.copy_array_to_vector(levels, hnsw.levels)
        faiss.copy_array_to_vector(_offsets(levels, M), hnsw.offsets)
        hnsw.entry_point, hnsw.max_level = entry, int(levels.max()) - 1
        depth = MeasuredRecall.restore(header["depth"], MAX_DEPTH)
        return cls(index, M, quantize, transform, depth, (codes, neighbors), reason=str(header["why"]))

    def stats(self) -> dict[str, object]:
        reason = {"why": self.reason} if self.reason else {}
        return {"quantize": self.quantize, "M": self.M, **self.depth.header(), **reason}


def empty_graph(m: int, links: int, quantize: str) -> faiss.IndexHNSW:
    """A graph of rows of m numbers without rows. Raises `ValueError` for an unknown quantization."""
    if quantize == "f32":
        return faiss.IndexHNSWFlat(m, links)
    if quantize not in QUANTIZERS:
        raise ValueError(f"quantize is {quantize!r}: it must be f32, f16 or 8bit")
    return faiss.IndexHNSWSQ(m, QUANTIZERS[quantize], links)


def share(index: faiss.IndexHNSW, rows: NDArray[Any]) -> None:
    """Let a graph use the memory of the rows, which must outlive it, instead of a copy."""
    codes = rows.reshape(-1).view(np.uint8)
    storage = faiss.downcast_index(index.storage)
    storage.codes = faiss.MaybeOwnedVectorUInt8.create_view(faiss.swig_ptr(codes), codes.size, UNOWNED.owner)


def checked_ranges(ranges: NDArray[Any], m: int) -> NDArray[np.float32]:
    """Minima and widths of m columns in 8 bits. Raises `ValueError` if they are invalid."""
    if ranges.dtype != np.float32 or ranges.shape != (2 * m,) or not np.isfinite(ranges).all():
        raise ValueError("its ranges of 8-bit numbers are invalid")
    return ranges


def check_codes(codes: NDArray[np.uint8], quantize: str) -> None:
    """Raise `ValueError` for NaN in a row: comparisons with it would lead the search anywhere."""
    if quantize != "8bit":
        check_numbers(codes.view(np.float32 if quantize == "f32" else np.float16))


def _check_graph(M: int, levels: NDArray[np.int32], neighbors: NDArray[Any], entry: int) -> None:
    """Raise `ValueError` if a search could leave the graph."""
    offsets = _offsets(levels, M)
    if neighbors.dtype != np.int32 or neighbors.shape != (int(offsets[-1]),):
        raise ValueError("the size of its graph does not match its layers")
    if neighbors.min() < -1 or neighbors.max() >= len(levels):
        raise ValueError("its graph links rows that do not exist")
    if levels[entry] != levels.max():
        raise ValueError("the entry of its graph is not in the top layer")
    for layer in range(1, int(levels.max())):
        members = np.flatnonzero(levels > layer)
        slots = offsets[members, None] + np.uint64(M * (layer + 1)) + np.arange(M, dtype=np.uint64)[None, :]
        named = neighbors[slots]
        if (levels[named[named >= 0]] <= layer).any():
            raise ValueError("its graph links rows in a layer that they are not in")


def _offsets(levels: NDArray[np.int32], M: int) -> NDArray[np.uint64]:
    """Start of the links of each row: 2 M in the lowest layer, M in each layer above."""
    sizes = M * (levels.astype(np.uint64) + 1)
    return np.concatenate([np.zeros(1, np.uint64), np.cumsum(sizes, dtype=np.uint64)])


def _array(vector: Any) -> NDArray[Any]:
    """The content of a vector of FAISS, as a view."""
    view: NDArray[Any] = faiss.rev_swig_ptr(vector.data(), vector.size())
    return view


@dataclass(frozen=True)
class GraphBuilder:
    """Builds a `Graph`; or a `Flat` of few rows, or if the graph cannot keep the recall. See `HNSWIndex`."""

    recall: float = 0.99
    quantize: Quantize = "f32"
    M: int = 16
    ef_construction: int = 150
    seed: int = 0
    reason: str = ""

    def __post_init__(self) -> None:
        check_recall(self.recall)
        check_seed(self.seed)
        if self.quantize not in ("f32", *QUANTIZERS):
            raise UsageError(f"quantize is {self.quantize!r}: it must be f32, f16 or 8bit")
        if not 2 <= self.M <= MAX_M:
            raise UsageError(f"M is {self.M}: it must lie between 2 and {MAX_M}")
        if self.ef_construction < 1:
            raise UsageError(f"ef_construction is {self.ef_construction}: it must be 1 or more")

    def check(self, space: Space) -> None:
        if space.maps is None:
            raise UsageError(f"the metric {space.metric.name} has no maps, which an HNSW index needs: take LinearIndex")

    def build(self, rows: Rows, check_cancelled: Callable[[], None] = lambda: None) -> tuple[Rows, Graph | Flat]:
        if len(rows) < settings.min_rows:
            return FlatBuilder(f"fewer than {settings.min_rows} vectors").build(rows)
        rows, head = hold_out(rows, self.seed)
        transform, compared = fit_search_transform(rows.space, rows.vectors, pad=self.quantize != "f32")
        index = empty_graph(compared.shape[1], self.M, self.quantize)
        index.hnsw.efConstruction = self.ef_construction
        index.train(compared[:: max(1, len(compared) // SAMPLE)])
        _add(index, compared[:head], check_cancelled)
        graph = Graph(index, self.M, self.quantize, transform, MeasuredRecall(K, 0.0, 0.0, 0))
        depth = tune_on_held_out(graph, rows, head, self.recall)
        if not depth.keeps(self.recall):
            reason = f"a graph reaches a recall of {depth.recall:.3f}, not {self.recall:g}, before a scan is as fast"
            logger.warning("exact search among %d vectors: %s", len(rows), reason)
            return FlatBuilder(reason).build(rows)
        _add(index, compared[head:], check_cancelled)
        shared = compared is rows.vectors and self.quantize == "f32"
        if shared:
            share(index, compared)
        views = (compared,) if shared else ()
        return rows, Graph(index, self.M, self.quantize, transform, depth, views, reason=self.reason)

    def settings(self) -> dict[str, Any]:
        names = {"kind": "GraphMaker", "recall": self.recall, "quantize": self.quantize, "links": self.M}
        return {**names, "effort": self.ef_construction, "seed": self.seed, "why": self.reason}


def _add(index: faiss.IndexHNSW, rows: NDArray[np.float32], check_cancelled: Callable[[], None]) -> None:
    chunk = settings.chunk
    for start in range(0, len(rows), chunk):
        check_cancelled()
        index.add(rows[start : start + chunk])
