"""Choose the structure of a segment by its size, dimension, metric and recall."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log2
from typing import Any

from semelha.errors import UsageError
from semelha.index.checks import check_seed
from semelha.index.flat import FlatBuilder
from semelha.index.graph import GraphBuilder, Quantize
from semelha.index.rows import Rows
from semelha.index.segment import Structure
from semelha.index.space import Space
from semelha.index.tree import TreeBuilder
from semelha.metrics.mapped import MappedMetric

# Sizes at which one structure becomes faster than another, measured by `benchmarks/search.py --curve`.
GRAPH = 20_000
QUANTIZED = 500_000
TREE = 9  # a tree is fastest up to log₂ n − 9 dimensions


@dataclass(frozen=True)
class AutoBuilder:
    """Builds the structure that `choose` returns. See `AutoIndex`."""

    recall: float = 0.99
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.recall <= 1:
            raise UsageError(f"recall is {self.recall}: it must lie above 0, up to 1 for exact search")
        check_seed(self.seed)

    def check(self, space: Space) -> None:
        """Accept every metric."""

    def build(self, rows: Rows, stop: Callable[[], None] = lambda: None) -> tuple[Rows, Structure]:
        """Return the rows in the structure's order, and the structure."""
        builder = choose(rows.space, len(rows), rows.vectors.shape[1], self.recall, self.seed)
        return builder.build(rows, stop)

    def settings(self) -> dict[str, Any]:
        """Settings as the manifest names them."""
        return {"kind": "AutoMaker", "recall": self.recall, "seed": self.seed}


def choose(
    space: Space, n: int, dimension: int, recall: float, seed: int = 0
) -> FlatBuilder | TreeBuilder | GraphBuilder:
    """Choose the builder for n vectors; `recall` is 1 for exact search. It carries the reason, for `Index.stats`."""
    metric = space.metric
    if space.maps is None:
        return FlatBuilder(f"{metric.name} has no maps: a linear scan")
    if isinstance(metric, MappedMetric) and dimension <= log2(max(n, 1)) - TREE:
        return TreeBuilder(why=f"{dimension} dimensions: a tree is exact and fastest")
    if recall == 1:
        return FlatBuilder("a recall of 1: a linear scan")
    if n < GRAPH:
        return FlatBuilder(f"fewer than {GRAPH:,} vectors: a scan is exact and fast enough")
    quantize: Quantize = "8bit" if n >= QUANTIZED else "f32"
    return GraphBuilder(recall, quantize, seed=seed, why=f"{GRAPH:,} vectors or more: a graph is faster")
