"""Builds an HNSW graph, and finds how deep it must be searched."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.index.flat import Flat
from semelha.index.graph import MOST_LINKS, QUANTIZERS, Graph, Quantize, empty_graph, share
from semelha.index.promise import Measured, check_recall, check_seed, held_back, tuned_on_held
from semelha.index.ranking import K
from semelha.index.rows import Rows
from semelha.index.screen import screened
from semelha.index.space import Space

CHUNK = 1 << 12  # rows that are added at a time: how soon a build can be stopped
SAMPLE = 1 << 17  # rows that the ranges of 8-bit numbers are taken from
LEAST = 256  # rows of which a graph is made

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GraphMaker:
    """Makes a `Graph`, or a `Flat` where the graph could not keep the recall.

    Attributes
    ----------
    recall : float
        Part of the ten nearest that is to be found, on vectors that the graph has not seen.
    quantize : {"f32", "f16", "8bit"}
    links : int
        M.
    effort : int
        efConstruction.
    seed : int
        Of the draw of those vectors.
    why : str
        Why a graph was chosen.
    """

    recall: float = 0.99
    quantize: Quantize = "f32"
    links: int = 16
    effort: int = 150
    seed: int = 0
    why: str = ""

    def __post_init__(self) -> None:
        check_recall(self.recall)
        check_seed(self.seed)
        if self.quantize not in ("f32", *QUANTIZERS):
            raise UsageError(f"quantize is {self.quantize!r}: it is f32, f16 or 8bit")
        if not 2 <= self.links <= MOST_LINKS or self.effort < 1:
            raise UsageError("links lie between 2 and 512, and the effort is 1 or more")

    def check(self, space: Space) -> None:
        """Raises `UsageError` for a metric that it cannot search."""
        if space.maps is None:
            raise UsageError(f"the metric {space.metric.name} has no maps, which a graph needs: take LinearIndex")

    def make(self, rows: Rows, stop: Callable[[], None] = lambda: None) -> tuple[Rows, Graph | Flat]:
        """The rows in the order that the structure wants, and the structure. `stop` may raise, to end it."""
        if len(rows) < LEAST:
            rows = rows.sorted()
            return rows, Flat(rows, why=f"fewer than {LEAST} vectors")
        rows, head = held_back(rows, self.seed)
        screen, compared = screened(rows.space, rows.vectors, even=self.quantize != "f32")
        index = empty_graph(compared.shape[1], self.links, self.quantize)
        index.hnsw.efConstruction = self.effort
        index.train(compared[:: max(1, len(compared) // SAMPLE)])
        _add(index, compared[:head], stop)
        graph = Graph(index, self.links, self.quantize, screen, Measured(K, 0.0, 0.0, 0))
        depth = tuned_on_held(graph, rows, head, self.recall)
        if not depth.keeps(self.recall):
            rows = rows.sorted()
            why = f"a graph keeps a recall of {depth.recall:.3f}, not {self.recall:g}, where a scan is as quick"
            logger.warning("exact search among %d vectors: %s", len(rows), why)
            return rows, Flat(rows, why=why)
        _add(index, compared[head:], stop)
        shared = compared is rows.vectors and self.quantize == "f32"
        if shared:
            share(index, compared)
        views = (compared,) if shared else ()
        return rows, Graph(index, self.links, self.quantize, screen, depth, views, why=self.why)


def _add(index: faiss.IndexHNSW, rows: NDArray[np.float32], stop: Callable[[], None]) -> None:
    for start in range(0, len(rows), CHUNK):
        stop()
        index.add(rows[start : start + CHUNK])
