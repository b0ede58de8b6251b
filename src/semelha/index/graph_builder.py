"""Build an HNSW graph, and choose the search depth that keeps its recall."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.index.checks import check_recall, check_seed
from semelha.index.flat import Flat
from semelha.index.graph import MOST_LINKS, QUANTIZERS, Graph, Quantize, empty_graph, share
from semelha.index.ranking import K
from semelha.index.recall import MeasuredRecall, hold_out, tune_on_held_out
from semelha.index.rows import Rows
from semelha.index.space import Space
from semelha.index.transform import fit_search_transform

CHUNK = 1 << 12  # rows that are added at a time: a build can be stopped between chunks
SAMPLE = 1 << 17  # rows that the ranges of 8-bit numbers are taken from
LEAST = 256  # rows; fewer are scanned

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GraphBuilder:
    """Builds a `Graph`; or a `Flat` of few rows, or if the graph cannot keep the recall. See `HNSWIndex`.

    `why` is the reason for the graph, for `Index.stats`.
    """

    recall: float = 0.99
    quantize: Quantize = "f32"
    M: int = 16
    ef_construction: int = 150
    seed: int = 0
    why: str = ""

    def __post_init__(self) -> None:
        check_recall(self.recall)
        check_seed(self.seed)
        if self.quantize not in ("f32", *QUANTIZERS):
            raise UsageError(f"quantize is {self.quantize!r}: it must be f32, f16 or 8bit")
        if not 2 <= self.M <= MOST_LINKS:
            raise UsageError(f"M is {self.M}: it must lie between 2 and {MOST_LINKS}")
        if self.ef_construction < 1:
            raise UsageError(f"ef_construction is {self.ef_construction}: it must be 1 or more")

    def check(self, space: Space) -> None:
        """Raise `UsageError` for a metric without maps."""
        if space.maps is None:
            raise UsageError(f"the metric {space.metric.name} has no maps, which an HNSW index needs: take LinearIndex")

    def build(self, rows: Rows, stop: Callable[[], None] = lambda: None) -> tuple[Rows, Graph | Flat]:
        """Return the rows in the structure's order, and the structure. `stop` is called often, and may raise."""
        if len(rows) < LEAST:
            rows = rows.sorted()
            return rows, Flat(rows, why=f"fewer than {LEAST} vectors")
        rows, head = hold_out(rows, self.seed)
        transform, compared = fit_search_transform(rows.space, rows.vectors, pad=self.quantize != "f32")
        index = empty_graph(compared.shape[1], self.M, self.quantize)
        index.hnsw.efConstruction = self.ef_construction
        index.train(compared[:: max(1, len(compared) // SAMPLE)])
        _add(index, compared[:head], stop)
        graph = Graph(index, self.M, self.quantize, transform, MeasuredRecall(K, 0.0, 0.0, 0))
        depth = tune_on_held_out(graph, rows, head, self.recall)
        if not depth.keeps(self.recall):
            rows = rows.sorted()
            why = f"a graph reaches a recall of {depth.recall:.3f}, not {self.recall:g}, before a scan is as fast"
            logger.warning("exact search among %d vectors: %s", len(rows), why)
            return rows, Flat(rows, why=why)
        _add(index, compared[head:], stop)
        shared = compared is rows.vectors and self.quantize == "f32"
        if shared:
            share(index, compared)
        views = (compared,) if shared else ()
        return rows, Graph(index, self.M, self.quantize, transform, depth, views, why=self.why)

    def settings(self) -> dict[str, Any]:
        """Settings as the manifest names them."""
        names = {"kind": "GraphMaker", "recall": self.recall, "quantize": self.quantize, "links": self.M}
        return {**names, "effort": self.ef_construction, "seed": self.seed, "why": self.why}


def _add(index: faiss.IndexHNSW, rows: NDArray[np.float32], stop: Callable[[], None]) -> None:
    for start in range(0, len(rows), CHUNK):
        stop()
        index.add(rows[start : start + CHUNK])
