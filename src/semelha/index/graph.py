"""HNSW: a graph of near neighbors in layers, searched greedily from the top. FAISS builds and walks it.

Malkov & Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World
graphs" (IEEE TPAMI 42, 2020). The graph is kept as plain arrays, which are checked before FAISS is given views of them:
no reader of its own ever sees a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any, ClassVar, Literal, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from semelha.index.card import whole_number
from semelha.index.promise import Measured, ladder
from semelha.index.ranking import K, likely
from semelha.index.rows import Found, Hidden, Rows, check_numbers
from semelha.index.screen import Screen
from semelha.index.space import Queries

Quantize = Literal["f32", "f16", "8bit"]
QUANTIZERS = {"f16": faiss.ScalarQuantizer.QT_fp16, "8bit": faiss.ScalarQuantizer.QT_8bit}
MOST_LINKS = 512
DEEPEST = 4096
UNOWNED = faiss.MaybeOwnedVectorUInt8()  # its owner, nobody, is that of what is only looked at
STEP = 200  # rows that are scanned in the time of one step of depth, about


class Graph:
    """A built graph over rows.

    Parameters
    ----------
    index : faiss.IndexHNSW
    links : int
        M: neighbors of a row in the upper layers; twice as many in the lowest.
    quantize : {"f32", "f16", "8bit"}
        How it holds the rows.
    screen : Screen
        What it compares. What it finds is ranked by the vectors themselves.
    depth : Measured
        efSearch, and the recall that it gave.
    views : tuple
        Arrays that `index` looks into.
    why : str
        Why a graph was chosen.
    """

    kind: ClassVar[str] = "hnsw"

    def __init__(
        self,
        index: faiss.IndexHNSW,
        links: int,
        quantize: Quantize,
        screen: Screen,
        depth: Measured,
        views: tuple[Any, ...] = (),
        *,
        why: str = "",
    ) -> None:
        self.why = why
        self.index = index
        self.links = links
        self.quantize = quantize
        self.screen = screen
        self.depth = depth
        self._views = views
        self._plain: dict[int, Any] = {}

    def nearest(self, rows: Rows, queries: Queries, k: int, hidden: Hidden | None = None) -> Found:
        """About the k nearest of the rows that it was made of."""

        def candidates(some: Queries, reach: int, times: float, selector: Any) -> NDArray[np.int64]:
            return walk(self.index, self.screen.queries(some), reach, self._parameters(times, selector))

        return likely(rows, queries, k, hidden, candidates, reach=self._reach(k))

    def at(self, depth: Measured) -> Graph:
        """The same graph, searched as deep."""
        return Graph(self.index, self.links, self.quantize, self.screen, depth, self._views, why=self.why)

    def _parameters(self, times: float, selector: Any) -> Any:
        """What FAISS calls them; those of a plain search are made once."""
        depth = min(ceil(times * self.depth.depth), self.index.ntotal)
        if selector is not None:
            return faiss.SearchParametersHNSW(efSearch=depth, sel=selector)
        if depth not in self._plain:
            self._plain[depth] = faiss.SearchParametersHNSW(efSearch=depth)
        return self._plain[depth]

    def _reach(self, k: int) -> int:
        """How many candidates are ranked: more where the graph sees rounded rows, all where it has another order."""
        if not self.screen.ordered:
            return max(k, self.depth.depth * k // K)
        return k if self.quantize == "f32" else k + k // 2

    @property
    def deepest(self) -> int:
        """The most that is ever tried."""
        return DEEPEST

    def depths(self) -> list[int]:
        """From what ten neighbors need to where a scan would be quicker."""
        return ladder(K, max(2 * K, min(DEEPEST, self.index.ntotal // STEP)))

    def card(self) -> dict[str, Any]:
        """What to keep beside the arrays."""
        hnsw = self.index.hnsw
        return {
            "links": self.links,
            "quantize": self.quantize,
            "entry": hnsw.entry_point,
            "dimension": self.index.d,
            "screen": self.screen.card(),
            "depth": self.depth.card(),
            "why": self.why,
        }

    def arrays(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """The graph, and the mapped rows unless they are the vectors."""
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
    def restored(cls, rows: Rows, card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """As `card` and `arrays` kept it. Raises `ValueError` or `KeyError` where they do not go together."""
        links, quantize = whole_number(card, "links", 2, MOST_LINKS), card["quantize"]
        screen = Screen.restored(card["screen"], rows)
        m = whole_number(card, "dimension", 1)
        if m != screen.width(rows):
            raise ValueError("the graph compares rows of another length")
        index = empty_graph(m, links, quantize)
        codes = arrays["codes"] if "codes" in arrays else rows.vectors.reshape(-1).view(np.uint8)
        storage = faiss.downcast_index(index.storage)
        _check_levels(len(rows), arrays["levels"], index.hnsw.cum_nneighbor_per_level.size() - 1)
        levels, neighbors = arrays["levels"].astype(np.int32), arrays["neighbors"]
        entry = whole_number(card, "entry", 0, len(rows) - 1)
        _check_graph(links, levels, neighbors, entry)
        if codes.dtype != np.uint8 or codes.shape != (len(rows) * storage.code_size,):
            raise ValueError("the rows of the graph are not those of the vectors")
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
        faiss.copy_array_to_vector(_offsets(levels, links), hnsw.offsets)
        hnsw.entry_point, hnsw.max_level = entry, int(levels.max()) - 1
        depth = Measured.restored(card["depth"], DEEPEST)
        return cls(index, links, quantize, screen, depth, (codes, neighbors), why=str(card["why"]))

    def stats(self) -> dict[str, object]:
        """What there is to say of it."""
        why = {"why": self.why} if self.why else {}
        return {"quantize": self.quantize, "links": self.links, **self.depth.card(), **why}


def walk(index: faiss.Index, queries: NDArray[np.float32], k: int, parameters: Any) -> NDArray[np.int64]:
    """Rows of the k nearest that a search of FAISS finds: (q, m) → (q, k), −1 for none."""
    queries = np.ascontiguousarray(queries, np.float32)
    if queries.shape[1] != index.d:
        raise ValueError(f"{queries.shape[1]} numbers are compared with {index.d}")
    products = np.empty((len(queries), k), np.float32)
    rows = np.empty((len(queries), k), np.int64)
    out = faiss.swig_ptr(products), faiss.swig_ptr(rows)
    index.search_c(len(queries), faiss.swig_ptr(queries), k, *out, parameters)
    return rows


def empty_graph(m: int, links: int, quantize: str) -> faiss.IndexHNSW:
    """A graph of rows of m numbers without rows. Raises `ValueError` for an unknown quantization."""
    if quantize == "f32":
        return faiss.IndexHNSWFlat(m, links)
    if quantize not in QUANTIZERS:
        raise ValueError(f"a graph holds rows as f32, f16 or 8bit, not as {quantize}")
    return faiss.IndexHNSWSQ(m, QUANTIZERS[quantize], links)


def share(index: faiss.IndexHNSW, rows: NDArray[Any]) -> None:
    """Let a graph look at its rows where they are; they must outlive it."""
    codes = rows.reshape(-1).view(np.uint8)
    storage = faiss.downcast_index(index.storage)
    storage.codes = faiss.MaybeOwnedVectorUInt8.create_view(faiss.swig_ptr(codes), codes.size, UNOWNED.owner)


def checked_ranges(ranges: NDArray[Any], m: int) -> NDArray[np.float32]:
    """Least numbers and widths of m columns in 8 bits. Raises `ValueError` where they are none."""
    if ranges.dtype != np.float32 or ranges.shape != (2 * m,) or not np.isfinite(ranges).all():
        raise ValueError("the ranges of the numbers are damaged")
    return ranges


def _check_levels(n: int, levels: NDArray[Any], most: int) -> None:
    """Raises `ValueError` where they are not how many layers, of `most`, each of n rows is in."""
    if levels.dtype != np.uint8 or levels.shape != (n,) or levels.min() < 1 or levels.max() > most:
        raise ValueError("the layers of the graph are damaged")


def check_codes(codes: NDArray[np.uint8], quantize: str) -> None:
    """Raises `ValueError` for a row with what is no number: who compares with it may walk anywhere."""
    if quantize != "8bit":
        check_numbers(codes.view(np.float32 if quantize == "f32" else np.float16))


def _check_graph(links: int, levels: NDArray[np.int32], neighbors: NDArray[Any], entry: int) -> None:
    """Raises `ValueError` where a walk through the graph could leave it."""
    offsets = _offsets(levels, links)
    if neighbors.dtype != np.int32 or neighbors.shape != (int(offsets[-1]),):
        raise ValueError("the graph has not the size that its layers ask for")
    if neighbors.min() < -1 or neighbors.max() >= len(levels):
        raise ValueError("the graph names rows that are not there")
    if levels[entry] != levels.max():
        raise ValueError("the graph has no entry")
    for layer in range(1, int(levels.max())):
        members = np.flatnonzero(levels > layer)
        slots = offsets[members, None] + np.uint64(links * (layer + 1)) + np.arange(links, dtype=np.uint64)[None, :]
        named = neighbors[slots]
        if (levels[named[named >= 0]] <= layer).any():
            raise ValueError("the graph names rows in a layer that they are not in")


def _offsets(levels: NDArray[np.int32], links: int) -> NDArray[np.uint64]:
    """Where the neighbors of each row start: 2 · links in the lowest layer, links in each above."""
    sizes = links * (levels.astype(np.uint64) + 1)
    return np.concatenate([np.zeros(1, np.uint64), np.cumsum(sizes, dtype=np.uint64)])


def _array(vector: Any) -> NDArray[Any]:
    """What a vector of FAISS holds, as a view."""
    view: NDArray[Any] = faiss.rev_swig_ptr(vector.data(), vector.size())
    return view
